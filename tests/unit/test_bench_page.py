"""docs/performance.md says what its run has found, and what was written by hand outlives the next run."""

import json
from dataclasses import fields
from pathlib import Path

from bench import figures, page
from bench.figures import Row
from tests.support.bench_runs import row, run


def test_the_page_has_the_figures_of_the_run_beside_it() -> None:
    made, by_hand = page.PAGE.read_text(encoding="utf-8").split(page.BY_HAND)
    assert made == page.render(figures.read(page.FILES)), "run: python -m bench report --from docs/performance"
    assert "## What was tried and did not pay" in by_hand


def test_the_plots_of_the_page_are_there() -> None:
    for name in ("calls", "p99", "latency"):
        assert (page.FILES / f"{name}.png").stat().st_size > 1000
        assert (page.FILES / f"{name}.svg").stat().st_size > 1000


def test_a_new_run_leaves_what_was_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    page.write(run([row(calls_per_s=11_111.0)]), file)
    file.write_text(file.read_text() + "\nBy hand.\n")
    page.write(run([row(calls_per_s=22_222.0)]), file)
    text = file.read_text()
    assert "22,222" in text
    assert "11,111" not in text
    assert text.endswith(f"{page.BY_HAND}\n\nBy hand.\n")


def test_bench_json_is_a_list_of_the_rows(tmp_path: Path) -> None:
    made = run([row(calls_per_s=12_345.678), row("GetEntry")])
    figures.write(made, tmp_path)
    rows = json.loads((tmp_path / "bench.json").read_text())
    assert [list(each) for each in rows] == [[field.name for field in fields(Row)]] * 2
    assert rows[0]["calls_per_s"] == 12_346
    assert figures.read(tmp_path).rows[1] == made.rows[1]
