"""The pages say what is there: code is an excerpt of a program that the tests run, and files that are named exist."""

import importlib
import re
from pathlib import Path

import pytest

from tests.conformance import results

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
# What tests/e2e/test_guide.py runs.
PROGRAMS = [ROOT / "examples" / "guide.py", ROOT / "examples" / "errors.py"]

_CODE = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")
# A file in backquotes, from the root of the checkout.
_FILE = re.compile(r"`((?:shared|services|deploy|bench|examples|protos|tests|docs)/[\w./-]*)`")


def test_the_guide_s_code_is_of_the_program_that_runs() -> None:
    programs = [path.read_text(encoding="utf-8") for path in PROGRAMS]
    excerpts = _CODE.findall((ROOT / "docs" / "guide.md").read_text(encoding="utf-8"))
    assert len(excerpts) > 5
    for excerpt in excerpts:
        assert any(excerpt in program for program in programs), excerpt


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_points_to_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    missing = [target for target in _LINK.findall(text) if not (page.parent / target).exists()]
    missing += [name for name in _FILE.findall(text) if not (ROOT / name).exists()]
    assert not missing


def test_the_readme_s_table_of_databases_is_the_published_run() -> None:
    cells = results.read(results.PUBLISHED)
    assert results.in_readme() == results.table(cells)
    assert not any(cell.failed for cell in cells)
    listed = {
        (path.parent.name, database.name)
        for path in sorted((ROOT / "tests" / "conformance").glob("*/databases.py"))
        for database in importlib.import_module(f"tests.conformance.{path.parent.name}.databases").DATABASES
    }
    assert {(cell.kind, cell.database) for cell in cells} == listed
