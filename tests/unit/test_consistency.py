"""Consistency tokens: what they say, what covers them, and who gets one."""

from collections.abc import Sequence
from typing import Any

import pytest

from shared.contract.consistency import KEY, PRIMARY, Position, demand, token
from shared.contract.errors import EtagMismatch, FieldInvalid, StoreUnavailable
from shared.rpc.policies.consistency import Consistency
from shared.work import consistency
from shared.work.batching import Batcher
from tests.unit.test_policies import Caller, around, call, method

HERE = Position(2**64 - 1, 3, 0x16B3748)
READS, WRITES = "/savepoint.profile.v1.WalletService/GetWallet", "/savepoint.profile.v1.WalletService/AdjustCoins"


def test_a_token_says_what_it_was_made_of() -> None:
    assert token(HERE) == "1.FFFFFFFFFFFFFFFF.3.16B3748"
    assert demand([token(HERE)]) == HERE
    assert demand([token(None)]) is PRIMARY
    assert demand([]) is None


def test_several_tokens_ask_for_what_covers_all_of_them() -> None:
    first, second = Position(1, 2, 10), Position(1, 1, 20)
    assert demand([token(first), token(second)]) == Position(1, 2, 20)
    assert demand([token(first), token(Position(7, 2, 5))]) is PRIMARY
    assert demand([token(first), token(None)]) is PRIMARY
    assert demand([token(None), token(first)]) is PRIMARY


@pytest.mark.parametrize(
    ("server", "covers"),
    [
        (Position(1, 2, 10), True),
        (Position(1, 2, 11), True),
        (Position(1, 3, 10), True),
        (Position(1, 2, 9), False),
        # Left behind on the old timeline, where the log went on.
        (Position(1, 1, 99), False),
        (Position(2, 2, 99), False),
    ],
)
def test_a_server_covers_a_position_on_its_timeline_or_an_earlier_one(server: Position, covers: bool) -> None:
    assert server.covers(Position(1, 2, 10)) is covers


@pytest.mark.parametrize(
    "text", ["", "1", "1.", "1.1.1", "1.1.1.g", "1.1.1.1 ", "1.-1.1.1", "0.x", "primary", b"1.1.1.1"]
)
def test_what_is_no_token_is_refused(text: str | bytes) -> None:
    with pytest.raises(FieldInvalid) as refused:
        demand([text])
    assert refused.value.field == KEY


def test_a_token_of_a_later_release_leads_to_the_primary() -> None:
    assert demand(["2.abc"]) is PRIMARY


class Token(Caller):
    """A caller who brings a token, and what the answer came with."""

    def __init__(self, *tokens: str) -> None:
        super().__init__()
        self.tokens = tokens
        self.trailing: Sequence[tuple[str, str]] = ()

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return tuple((KEY, text) for text in self.tokens)

    def set_trailing_metadata(self, trailing: Any) -> None:
        self.trailing = trailing


async def latest() -> Position | None:
    return HERE


async def test_a_write_is_answered_with_a_token_and_a_read_is_not() -> None:
    import savepoint.profile.v1.wallet_pb2  # noqa: F401 # the policy asks the protos which methods only read

    async def nothing(_: Any) -> bytes:
        return b""

    for path, tokens in ((WRITES, ((KEY, token(HERE)),)), (READS, ())):
        caller = Token()
        of = method(path)
        await around(Consistency(latest), nothing, of)(call(of=of, context=caller))
        assert caller.trailing == tokens


async def test_a_refusal_that_tells_of_the_state_has_a_token_and_no_other_failure_has() -> None:
    of = method(WRITES)
    for error, trailers in ((EtagMismatch("7"), ((KEY, token(HERE)),)), (StoreUnavailable("postgresql"), ())):

        async def fails(_: Any, error: Exception = error) -> bytes:
            raise error

        refused = call(of=of, context=Token())
        with pytest.raises(type(error)):
            await around(Consistency(latest), fails, of)(refused)
        assert refused.trailers == trailers


async def test_what_a_call_brings_is_known_to_its_reads_and_not_to_what_it_shares() -> None:
    seen: list[Any] = []

    async def shared(items: Sequence[int]) -> list[int]:
        seen.append(consistency.demand())
        return list(items)

    batches: Batcher[int, int] = Batcher(shared, keys=lambda _: ())

    async def reads(_: Any) -> bytes:
        seen.append(consistency.demand())
        await batches.do(1)
        return b""

    of = method(READS)
    step = around(Consistency(latest), reads, of)
    await step(call(of=of, context=Token(token(HERE))))
    await step(call(of=of, context=Token()))
    assert seen == [HERE, PRIMARY, None, PRIMARY]
    await batches.close()
