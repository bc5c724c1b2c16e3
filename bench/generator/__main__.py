"""python -m bench.generator: a plan comes in on stdin as a line of JSON, the result goes out on stdout as another.

It ends early when its stdin is closed: so it never outlives the program that it works for.
"""

import asyncio
import sys

import uvloop

from bench.generator.load import Load
from bench.generator.plan import Plan

_LARGEST_PLAN = 256 << 20


async def _main() -> int:
    reader = asyncio.StreamReader(limit=_LARGEST_PLAN)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    load = Load(Plan.from_json(await reader.readline()))
    stop = asyncio.Event()
    watch = asyncio.create_task(_until_closed(reader, stop))
    try:
        result = await load.run(stop)
    except (OSError, TimeoutError) as error:
        print(f"the target cannot be reached: {error}", file=sys.stderr)
        return 1
    finally:
        watch.cancel()
    print(result.to_json())
    return 0


async def _until_closed(reader: asyncio.StreamReader, stop: asyncio.Event) -> None:
    await reader.read()
    stop.set()


if __name__ == "__main__":
    sys.exit(uvloop.run(_main()))
