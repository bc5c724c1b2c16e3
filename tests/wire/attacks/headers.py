"""Header lists that are too long, or not allowed."""

from tests.wire import frames
from tests.wire.connection import Answer, Connection, connected, request
from tests.wire.frames import HeaderList
from tests.wire.registry import attack
from tests.wire.target import Target

# Where a server says nothing, what gRPC's own take.
_USUAL_LIMIT = 8 * 1024


def _padded(fields: HeaderList, size: int) -> HeaderList:
    """The list, brought to exactly that size by fields of 1 KB before its last ones: were the end of a list that is too
    long left out, what a call cannot do without would be missing."""
    missing = size - frames.list_size(fields)
    names = [f"x-fill-{i:03}" for i in range(max(1, missing // 1024))]
    values = ["v" * (1024 - 32 - len(name)) for name in names]
    values[0] = "v" * (missing - 1024 * (len(names) - 1) - 32 - len(names[0]))
    return [*fields[:4], *zip(names, values, strict=True), *fields[4:]]


def _raw(fields: HeaderList) -> bytes:
    """A block of the fields as they are, allowed or not; Huffman code would take this client its time."""
    return frames.raw_block([(name.encode(), value.encode()) for name, value in fields])


async def _call(connection: Connection, target: Target, block: bytes) -> None:
    """A call with that header block, in as many frames as it takes, and its answer."""
    stream = connection.next_stream()
    pieces = [block[at : at + frames.SMALLEST_MAX_FRAME] for at in range(0, len(block), frames.SMALLEST_MAX_FRAME)]
    kinds = [frames.HEADERS] + [frames.CONTINUATION] * (len(pieces) - 1)
    flags = [0] * (len(pieces) - 1) + [frames.END_HEADERS]
    parts = zip(kinds, flags, pieces, strict=True)
    sent = b"".join(frames.frame(kind, flag, stream, piece) for kind, flag, piece in parts)
    await connection.send(sent + frames.data(stream, frames.message(target.get_entry), end=True))
    await connection.until(lambda: stream in connection.ended)


def _limit(connection: Connection) -> int:
    return connection.settings.get(frames.MAX_HEADER_LIST_SIZE, _USUAL_LIMIT)


@attack()
async def a_header_list_just_under_the_limit(target: Target, size: int) -> Answer:
    """7 KB, 100 bytes under SETTINGS_MAX_HEADER_LIST_SIZE, and exactly at it."""
    async with connected(target) as connection:
        for wanted in (7_000, _limit(connection) - 100, _limit(connection)):
            await _call(connection, target, _raw(_padded(request("GetEntry"), wanted)))
        return await connection.settle()


@attack()
async def a_header_list_just_over_the_limit(target: Target, size: int) -> Answer:
    """1 byte over it, and 100, and a quarter: an error of the call, not of everybody's connection."""
    async with connected(target) as connection:
        for wanted in (_limit(connection) + 1, _limit(connection) + 100, _limit(connection) * 5 // 4):
            await _call(connection, target, _raw(_padded(request("GetEntry"), wanted)))
        return await connection.settle()


@attack(small=1, full=50)
async def a_header_list_of_a_megabyte(target: Target, size: int) -> Answer:
    """Far over the limit, whole, in 64 CONTINUATION frames; on so many connections."""
    seen = Answer()
    for _ in range(size):
        async with connected(target) as connection:
            fields = [(b"x-long", b"v" * 16_000)] * 64
            await _call(connection, target, frames.block(request("GetEntry")) + frames.raw_block(fields))
            seen += await connection.settle()
    return seen


@attack(small=2_000, full=100_000)
async def many_headers(target: Target, size: int) -> Answer:
    """Thousands of fields of 4 bytes."""
    async with connected(target) as connection:
        block = frames.block(request("GetEntry")) + frames.raw_block([(b"x-a", b"b")]) * size
        await _call(connection, target, block)
        return await connection.settle()


@attack()
async def a_huge_path(target: Target, size: int) -> Answer:
    """A :path of 6 KB, within the limit, of a method that there is not; and one of 100 KB."""
    async with connected(target) as connection:
        for length in (6_000, 100_000):
            await _call(connection, target, _raw(request("/" + "p" * length)))
        return await connection.settle()


@attack(small=4_000, full=1_000_000)
async def hpack_bomb(target: Target, size: int) -> Answer:
    """A field of 4 KB, put into the table once and then named by a byte, so many times."""
    async with connected(target) as connection:
        # 0x40: a literal that goes into the table, where it is 62, the first of the dynamic entries.
        field = b"\x40" + frames.raw_block([(b"x-bomb", b"v" * 3_900)])[1:]
        await _call(connection, target, frames.block(request("GetEntry")) + field + b"\xbe" * size)
        return await connection.settle()


@attack()
async def header_blocks_that_do_not_decode(target: Target, size: int) -> Answer:
    """An index beyond the table, a string longer than the block, a table larger than allowed, an endless integer."""
    seen = Answer()
    for block in (b"\xff\xff\xff\x0f", b"\x00\x7f\xff\xff\x03abc", b"\x3f\xe1\xff\xff\x03", b"\xff" + b"\xff" * 20):
        async with connected(target) as connection:
            await connection.send(frames.headers(1, block))
            seen += await connection.settle()
    return seen


_USUAL = request("GetEntry", timeout="300m")


def _without(name: str) -> HeaderList:
    return [field for field in _USUAL if field[0] != name]


_MALFORMED: dict[str, HeaderList] = {
    "an upper-case name": [*_USUAL, ("X-Upper", "1")],
    "connection": [*_USUAL, ("connection", "keep-alive")],
    "transfer-encoding": [*_USUAL, ("transfer-encoding", "chunked")],
    "no :method": _without(":method"),
    "no :path": _without(":path"),
    "no :scheme": _without(":scheme"),
    "an empty :path": [(name, "" if name == ":path" else value) for name, value in _USUAL],
    ":method twice": [(":method", "POST"), *_USUAL],
    "an unknown pseudo-header": [(":nonsense", "1"), *_USUAL],
    "a pseudo-header after the others": [*_without(":path"), (":path", "/late")],
    "a line break": [*_USUAL, ("x-line", "a\r\nb: c")],
    "a NUL": [*_USUAL, ("x-nul", "a\0b")],
    "an empty name": [*_USUAL, ("", "x")],
    "another content-length": [*_USUAL, ("content-length", "3")],
}


@attack()
async def malformed_requests(target: Target, size: int) -> Answer:
    """Upper-case names, connection-specific fields, pseudo-headers that are missing, doubled, late or unknown, control
    characters, a false content-length; each on a connection of its own."""
    seen = Answer()
    for fields in _MALFORMED.values():
        async with connected(target) as connection:
            await _call(connection, target, _raw(fields))
            seen += await connection.settle()
    return seen
