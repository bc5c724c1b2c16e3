"""URLs that name several servers, with commas between them."""

import re
from urllib.parse import SplitResult

_PARTS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


def split(url: str) -> SplitResult:
    """As urllib's urlsplit, whose later versions refuse an IPv6 address beside another host: s1:26379,[::1]:26380. What
    is between :// and the path is in `netloc`, and for the caller to read. Raises ValueError for what is no URL."""
    parts = _PARTS.fullmatch(url)
    if parts is None:
        raise ValueError("no URL")
    scheme, netloc, path, query, fragment = parts.groups(default="")
    return SplitResult(scheme.lower(), netloc, path, query, fragment)
