"""One part of the embedded stack by itself, for tests that set it otherwise than it should be."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from deploy.local.embedded import Silent
from deploy.local.layout import Layout
from deploy.local.part import Part
from deploy.local.stack import Stack

P = TypeVar("P", bound=Part)


@asynccontextmanager
async def alone(kind: type[P], directory: Path) -> AsyncIterator[tuple[P, int]]:
    """The part, with its data under `directory`, and the pid of its process, while the context is open."""
    layout = Layout.of(directory)
    part = kind(layout)
    stack = Stack(layout, [part], {}, Silent())
    await stack.claim({})
    await stack.start()
    try:
        process = stack.units[part.name].process
        assert process is not None
        yield part, process.pid
    finally:
        await stack.stop()
