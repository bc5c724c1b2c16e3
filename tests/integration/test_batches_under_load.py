"""The callers of one RPC share statements, and notice nothing of each other: among 64 of them one is refused, one was
done before, one wants what another transaction holds and one gives up, and the other 60 are right, and in time."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.batched import (
    EACH,
    LARGEST,
    SUBJECTS,
    AdjustCoins,
    BatchApplyProgress,
    Batched,
    ConsumeItem,
    Ended,
    GrantItem,
    TransferCoins,
    UpdatePlayerWithEtag,
    ended,
    held,
)
from tests.support.service import Service

REFUSED, REPEATED, SLOW, GIVES_UP = 10, 20, 30, 40
# All but the slow one are answered within this time, on whatever machine; nothing waits for it.
IN_TIME_S = 10


@pytest.fixture(params=EACH, ids=lambda each: each.__name__)
async def rpc(request: pytest.FixtureRequest, profile: Service, inventory: Service) -> Batched:
    made: Batched = request.param(profile.environment["DATABASE_URL"], inventory.environment["DATABASE_URL"])
    await made.seed()
    return made


def asked(rpc: Batched, profile: Service, inventory: Service) -> Callable[[Any], Awaitable[Any]]:
    return rpc.call((profile if rpc.service == "profile" else inventory).channel)


async def test_the_others_are_right_and_in_time(rpc: Batched, profile: Service, inventory: Service) -> None:
    call = asked(rpc, profile, inventory)
    for reason, refused in rpc.refused(REFUSED).items():
        requests = [rpc.request(number) for number in range(SUBJECTS)]
        requests[REFUSED] = refused
        first = await ended(call(requests[REPEATED])) if rpc.once else None
        async with held(rpc.url, rpc.lock(SLOW)):
            calls = [asyncio.create_task(ended(call(request))) for request in requests]
            await asyncio.sleep(0.004)
            calls[GIVES_UP].cancel()
            _, late = await asyncio.wait([*calls[:SLOW], *calls[SLOW + 1 :]], timeout=IN_TIME_S)
            assert (len(late), calls[SLOW].done()) == (0, False)
        ends = await asyncio.gather(*calls)
        assert ends[REFUSED].how == reason
        assert ends[GIVES_UP].how in ("CANCELLED", "OK")
        others = [number for number in range(SUBJECTS) if number not in (REFUSED, GIVES_UP)]
        assert Counter(ends[number].how for number in others) == {"OK": len(others)}
        for number in others:
            assert rpc.answered(number, ends[number].answer) == rpc.shown(number)
        if rpc.once:
            assert ends[REPEATED] == first
            assert await ended(call(refused)) == Ended(reason)
        state = await rpc.state()
        assert [state[number] for number in others] == [rpc.after(number, 1) for number in others]
        assert state[REFUSED] == rpc.after(REFUSED, 0)
        assert state[GIVES_UP] in (rpc.after(GIVES_UP, 0), rpc.after(GIVES_UP, 1))
        if rpc.once:
            # It took effect or did not; once more, and it has.
            again = await ended(call(requests[GIVES_UP]))
            assert rpc.answered(GIVES_UP, again.answer) == rpc.shown(GIVES_UP)
            assert (await rpc.state())[GIVES_UP] == rpc.after(GIVES_UP, 1)
        await rpc.seed()


# By which RPC, what another transaction does to the row while the request waits for it, and how the request ends then.
MEANWHILE: dict[type[Batched], list[tuple[str, str]]] = {
    AdjustCoins: [("coins = 2", "INSUFFICIENT_COINS"), ("coins = 3", "OK"), ("coins = 5", "OK")],
    TransferCoins: [("coins = 2", "INSUFFICIENT_COINS"), ("coins = 3", "OK"), ("coins = 5", "OK")],
    GrantItem: [(f"quantity = {LARGEST}", "QUANTITY_LIMIT"), ("quantity = 7", "OK")],
    ConsumeItem: [("quantity = 4", "INSUFFICIENT_QUANTITY"), ("quantity = 5", "OK")],
    BatchApplyProgress: [(f"xp = {LARGEST}", "PROGRESS_LIMIT"), ("xp = 4", "OK")],
    UpdatePlayerWithEtag: [("version = nextval('player_versions')", "ETAG_MISMATCH")],
}


@pytest.mark.parametrize("kind", MEANWHILE, ids=lambda kind: kind.__name__)
async def test_who_waited_for_a_row_finds_what_was_committed_meanwhile(
    kind: type[Batched], profile: Service, inventory: Service
) -> None:
    made = kind(profile.environment["DATABASE_URL"], inventory.environment["DATABASE_URL"])
    await made.seed()
    call = asked(made, profile, inventory)
    table = "players" if made.service == "profile" else "inventory"
    for change, how in MEANWHILE[kind]:
        sql = f"UPDATE {table} SET {change} WHERE player_id = '{made.player_ids[0]}'"
        async with held(made.url, sql, commit=True):
            waiting = asyncio.create_task(ended(call(made.request(0))))
            await asyncio.sleep(0.15)
            assert not waiting.done()
        assert (await waiting).how == how, change
