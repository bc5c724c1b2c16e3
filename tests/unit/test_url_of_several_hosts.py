"""URLs that name several servers are read alike by every Python."""

import pytest

from shared.stores.url import split


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (
            "redis://ann:s%40@s1:1,[::1]:2,s3/0?primary=p#f",
            ("redis", "ann:s%40@s1:1,[::1]:2,s3", "/0", "primary=p", "f"),
        ),
        ("unix:///run/cache.sock?db=0", ("unix", "", "/run/cache.sock", "db=0", "")),
        ("postgresql://u:p@[fe80::1],b:5433/db", ("postgresql", "u:p@[fe80::1],b:5433", "/db", "", "")),
        ("REDISS://h", ("rediss", "h", "", "", "")),
    ],
)
def test_a_url_is_taken_apart(url: str, parts: tuple[str, ...]) -> None:
    assert tuple(split(url)) == parts


@pytest.mark.parametrize("text", ["", "host:6379", "://host", "redis:/host"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no URL"):
        split(text)
