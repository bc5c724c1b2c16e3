"""The RPCs whose callers share statements, alike for a test: what is asked, refused and locked, and what comes of it.

Each has SUBJECTS requests of which no two touch the same row, so that all of them fit into one statement.
"""

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import aio
from savepoint.inventory.v1 import inventory_pb2
from savepoint.inventory.v1.inventory_pb2_grpc import InventoryServiceStub
from savepoint.match.v1 import match_pb2
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1 import profile_pb2, wallet_pb2
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub
from savepoint.profile.v1.wallet_pb2_grpc import WalletServiceStub

from tests.support import databases
from tests.support.errors import failure_of

SUBJECTS = 64
LARGEST = 2**63 - 1


def new_id() -> str:
    return str(uuid.uuid4())


@asynccontextmanager
async def held(url: str, sql: str, *, commit: bool = False) -> AsyncIterator[None]:
    """Another transaction holds what `sql` locks, takes or changes; in the end it lets go, without a trace unless it
    commits."""
    async with await psycopg.AsyncConnection.connect(url) as holder:
        await holder.execute(sql.encode())
        yield
        await (holder.commit() if commit else holder.rollback())


@dataclass(frozen=True)
class Ended:
    """How a call ended: "OK" with its answer, or the reason."""

    how: str
    answer: Any = None


async def ended(call: Awaitable[Any]) -> Ended:
    """Awaits a call however it ends."""
    try:
        return Ended("OK", await call)
    except aio.AioRpcError as error:
        return Ended(failure_of(error).reason or error.code().name)
    except asyncio.CancelledError:
        return Ended("CANCELLED")


class Batched(ABC):
    """One RPC. Its subjects are numbered from 0. `seed` must have been awaited before all else."""

    service = "profile"
    # Whether it takes a request_id, under which it takes effect once.
    once = True

    def __init__(self, profile_url: str, inventory_url: str) -> None:
        self.profile_url = profile_url
        self.url = profile_url if self.service == "profile" else inventory_url
        self.player_ids: list[str] = []

    async def seed(self) -> None:
        """Makes two players for each subject, who have 10 coins each."""
        self.player_ids = await self.make_players(2 * SUBJECTS)

    @abstractmethod
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        """The RPC itself."""

    @abstractmethod
    def request(self, number: int) -> Message:
        """A new request for a subject, which succeeds."""

    @abstractmethod
    def refused(self, number: int) -> dict[str, Message]:
        """New requests for a subject that the state refuses, by the reason."""

    @abstractmethod
    def lock(self, number: int) -> str:
        """SQL by which another transaction gets what a subject's request wants."""

    @abstractmethod
    async def state(self) -> Sequence[object]:
        """What is in the database of each subject."""

    @abstractmethod
    def after(self, number: int, times: int) -> object:
        """What should be there when a subject's request has taken effect so often."""

    @abstractmethod
    def answered(self, number: int, answer: Any) -> object:
        """What an answer shows; the same as `shown` says."""

    @abstractmethod
    def shown(self, number: int) -> object:
        """What the answer of a request that took effect once must show."""

    async def make_players(self, count: int) -> list[str]:
        """So many new players with 10 coins each; their ids in order."""
        made = await databases.rows(
            self.profile_url,
            "INSERT INTO players (username, email, coins)"
            " SELECT name, name || '@example.com', 10"
            f" FROM (SELECT 'b' || replace(left(uuidv4()::text, 23), '-', '') AS name FROM generate_series(1, {count}))"
            " RETURNING player_id::text",
        )
        return [str(player_id) for (player_id,) in made]

    async def counted(self, of: Sequence[str], sql: str) -> list[tuple[Any, ...]]:
        """For each id the row of `sql`, in which `id` is that id; it must have one."""
        ids = ",".join(f"('{one}'::uuid, {place})" for place, one in enumerate(of))
        return await databases.rows(
            self.url,
            f"SELECT found.* FROM (VALUES {ids}) AS asked (id, place), LATERAL ({sql}) AS found ORDER BY place",
        )


def _lock_player(player_id: str) -> str:
    return f"SELECT FROM players WHERE player_id = '{player_id}' FOR UPDATE"


def _take_name(name: str) -> str:
    return f"INSERT INTO players (username, email) VALUES ('{name}', 'taken-{name}@example.com')"


class AdjustCoins(Batched):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return WalletServiceStub(channel).AdjustCoins

    def request(self, number: int, delta: int = -3) -> Message:
        return wallet_pb2.AdjustCoinsRequest(
            request_id=new_id(), player_id=self.player_ids[number], delta=delta, reason="batch"
        )

    def refused(self, number: int) -> dict[str, Message]:
        unknown = wallet_pb2.AdjustCoinsRequest(request_id=new_id(), player_id=new_id(), delta=1, reason="batch")
        return {
            "INSUFFICIENT_COINS": self.request(number, -11),
            "COINS_LIMIT": self.request(number, LARGEST),
            "PLAYER_NOT_FOUND": unknown,
        }

    def lock(self, number: int) -> str:
        return _lock_player(self.player_ids[number])

    async def state(self) -> Sequence[object]:
        sql = """
            SELECT coins, (SELECT count(*) FROM wallet_ledger WHERE player_id = id),
                   (SELECT COALESCE(sum(delta), 0)::bigint FROM wallet_ledger WHERE player_id = id)
            FROM players WHERE player_id = id"""
        return await self.counted(self.player_ids[:SUBJECTS], sql)

    def after(self, number: int, times: int) -> object:
        return 10 - 3 * times, times, -3 * times

    def answered(self, number: int, answer: Any) -> object:
        return answer.wallet.player_id, answer.wallet.coins, answer.entry.delta

    def shown(self, number: int) -> object:
        return self.player_ids[number], 7, -3


class TransferCoins(Batched):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return WalletServiceStub(channel).TransferCoins

    def request(self, number: int, amount: int = 3, receiver: str = "") -> Message:
        return wallet_pb2.TransferCoinsRequest(
            request_id=new_id(),
            sender_player_id=self.player_ids[number],
            receiver_player_id=receiver or self.player_ids[number + SUBJECTS],
            amount=amount,
            reason="batch",
        )

    def refused(self, number: int) -> dict[str, Message]:
        return {"INSUFFICIENT_COINS": self.request(number, 11), "PLAYER_NOT_FOUND": self.request(number, 3, new_id())}

    def lock(self, number: int) -> str:
        return _lock_player(self.player_ids[number + SUBJECTS])

    async def state(self) -> Sequence[object]:
        sql = """
            SELECT coins, (SELECT COALESCE(sum(delta), 0)::bigint FROM wallet_ledger WHERE player_id = id)
            FROM players WHERE player_id = id"""
        found = await self.counted(self.player_ids, sql)
        return list(zip(found[:SUBJECTS], found[SUBJECTS:], strict=True))

    def after(self, number: int, times: int) -> object:
        return (10 - 3 * times, -3 * times), (10 + 3 * times, 3 * times)

    def answered(self, number: int, answer: Any) -> object:
        return answer.sender.player_id, answer.sender.coins, answer.receiver.player_id, answer.receiver.coins

    def shown(self, number: int) -> object:
        return self.player_ids[number], 7, self.player_ids[number + SUBJECTS], 13


class _Items(Batched):
    service = "inventory"
    owned = 5

    async def seed(self) -> None:
        await super().seed()
        if self.owned:
            rows = ",".join(f"('{player_id}', 'ore', 'iron', {self.owned})" for player_id in self.player_ids)
            await databases.run(
                self.url, f"INSERT INTO inventory (player_id, item_type, item_id, quantity) VALUES {rows}"
            )

    def lock(self, number: int) -> str:
        return f"SELECT FROM inventory WHERE player_id = '{self.player_ids[number]}' FOR UPDATE"

    async def state(self) -> Sequence[object]:
        sql = "SELECT COALESCE(sum(quantity), 0)::bigint AS owned FROM inventory WHERE player_id = id"
        return [owned for (owned,) in await self.counted(self.player_ids[:SUBJECTS], sql)]

    def answered(self, number: int, answer: Any) -> object:
        return answer.item.player_id, answer.item.quantity

    def shown(self, number: int) -> object:
        return self.player_ids[number], self.after(number, 1)


class GrantItem(_Items):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return InventoryServiceStub(channel).GrantItem

    def request(self, number: int, quantity: int = 3, player_id: str = "") -> Message:
        grant = inventory_pb2.ItemGrant(
            player_id=player_id or self.player_ids[number], item_type="ore", item_id="iron", quantity=quantity
        )
        return inventory_pb2.GrantItemRequest(request_id=new_id(), grant=grant)

    def refused(self, number: int) -> dict[str, Message]:
        return {
            "QUANTITY_LIMIT": self.request(number, LARGEST),
            "PLAYER_NOT_FOUND": self.request(number, player_id=new_id()),
        }

    def after(self, number: int, times: int) -> object:
        return self.owned + 3 * times


class GrantNewItem(GrantItem):
    """An item that the player does not have: nothing can be locked yet, but another transaction can make it first."""

    owned = 0

    def refused(self, number: int) -> dict[str, Message]:
        return {"PLAYER_NOT_FOUND": self.request(number, player_id=new_id())}

    def lock(self, number: int) -> str:
        return (
            "INSERT INTO inventory (player_id, item_type, item_id, quantity)"
            f" VALUES ('{self.player_ids[number]}', 'ore', 'iron', 1)"
        )


class ConsumeItem(_Items):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return InventoryServiceStub(channel).ConsumeItem

    def request(self, number: int, quantity: int | None = None) -> Message:
        return inventory_pb2.ConsumeItemRequest(
            request_id=new_id(),
            player_id=self.player_ids[number],
            item_type="ore",
            item_id="iron",
            quantity=quantity or self._used(number),
        )

    def refused(self, number: int) -> dict[str, Message]:
        return {"INSUFFICIENT_QUANTITY": self.request(number, 6)}

    def after(self, number: int, times: int) -> object:
        return self.owned - self._used(number) * times

    def _used(self, number: int) -> int:
        # Every other one uses up what is there, so that the row goes away.
        return 3 if number % 2 else self.owned


class CreatePlayer(Batched):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return ProfileServiceStub(channel).CreatePlayer

    def request(self, number: int, **other: Any) -> Message:
        name = self.names[number]
        fields: dict[str, Any] = {"username": name, "email": f"{name}@example.com", **other}
        request = profile_pb2.CreatePlayerRequest(**fields)
        if self.once:
            request.request_id = new_id()
        return request

    async def seed(self) -> None:
        await super().seed()
        self.names = [f"n{uuid.uuid4().hex[:16]}" for _ in range(SUBJECTS)]
        [(self.taken_name, self.taken_email)] = await databases.rows(
            self.url, f"SELECT username, upper(email) FROM players WHERE player_id = '{self.player_ids[0]}'"
        )

    def refused(self, number: int) -> dict[str, Message]:
        return {
            "USERNAME_TAKEN": self.request(number, username=str(self.taken_name)),
            "EMAIL_TAKEN": self.request(number, email=str(self.taken_email)),
            "PLAYER_ID_TAKEN": self.request(number, player_id=self.player_ids[0]),
        }

    def lock(self, number: int) -> str:
        return _take_name(self.names[number])

    async def state(self) -> Sequence[object]:
        found = await databases.rows(self.url, "SELECT username FROM players WHERE username LIKE 'n%'")
        names = [name for (name,) in found]
        return [names.count(name) for name in self.names]

    def after(self, number: int, times: int) -> object:
        return times

    def answered(self, number: int, answer: Any) -> object:
        return answer.player.username, answer.player.email

    def shown(self, number: int) -> object:
        return self.names[number], f"{self.names[number]}@example.com"


class CreatePlayerWithoutId(CreatePlayer):
    once = False


class UpdatePlayer(Batched):
    once = False

    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return ProfileServiceStub(channel).UpdatePlayer

    async def seed(self) -> None:
        await super().seed()
        self.versions = [str(version) for (version,) in await self.counted(self.player_ids, _VERSION)]
        [(self.taken_name,)] = await databases.rows(
            self.url, f"SELECT username FROM players WHERE player_id = '{self.player_ids[SUBJECTS]}'"
        )

    def request(self, number: int, **other: Any) -> Message:
        player = profile_pb2.Player(**{"player_id": self.player_ids[number], "mmr": 2000 + number, **other})
        paths = ["mmr", *(path for path in other if path == "username")]
        return profile_pb2.UpdatePlayerRequest(player=player, update_mask=FieldMask(paths=paths))

    def refused(self, number: int) -> dict[str, Message]:
        return {
            "USERNAME_TAKEN": self.request(number, username=self.taken_name),
            "PLAYER_NOT_FOUND": self.request(number, player_id=new_id()),
        }

    def lock(self, number: int) -> str:
        return _lock_player(self.player_ids[number])

    async def state(self) -> Sequence[object]:
        sql = "SELECT mmr FROM players WHERE player_id = id"
        return [mmr for (mmr,) in await self.counted(self.player_ids[:SUBJECTS], sql)]

    def after(self, number: int, times: int) -> object:
        return 2000 + number if times else 1000

    def answered(self, number: int, answer: Any) -> object:
        return answer.player.player_id, answer.player.mmr, answer.player.coins

    def shown(self, number: int) -> object:
        return self.player_ids[number], 2000 + number, 10


_VERSION = "SELECT version FROM players WHERE player_id = id"


class UpdatePlayerWithEtag(UpdatePlayer):
    def request(self, number: int, **other: Any) -> Message:
        return super().request(number, **{"etag": self.versions[number], **other})

    def refused(self, number: int) -> dict[str, Message]:
        return {**super().refused(number), "ETAG_MISMATCH": self.request(number, etag="1")}


class RenamePlayer(UpdatePlayer):
    """UpdatePlayer with a name that another transaction is about to take."""

    def request(self, number: int, **other: Any) -> Message:
        return super().request(number, **{"username": f"r{self.player_ids[number].replace('-', '')[:24]}", **other})

    def lock(self, number: int) -> str:
        return _take_name(f"r{self.player_ids[number].replace('-', '')[:24]}")


class BatchApplyProgress(Batched):
    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return ProfileServiceStub(channel).BatchApplyProgress

    def request(self, number: int, second: str = "", xp: int = 1500) -> Message:
        ids = [self.player_ids[number], second or self.player_ids[number + SUBJECTS]]
        changes = [profile_pb2.ProgressChange(player_id=i, mmr_delta=5, xp_delta=xp) for i in ids]
        return profile_pb2.BatchApplyProgressRequest(request_id=new_id(), changes=changes)

    async def seed(self) -> None:
        await super().seed()
        # With any xp at all, one more is too many.
        [self.full] = await self.make_players(1)
        await databases.run(self.url, f"UPDATE players SET xp = {LARGEST} WHERE player_id = '{self.full}'")

    def refused(self, number: int) -> dict[str, Message]:
        return {"PROGRESS_LIMIT": self.request(number, self.full), "PLAYER_NOT_FOUND": self.request(number, new_id())}

    def lock(self, number: int) -> str:
        return _lock_player(self.player_ids[number + SUBJECTS])

    async def state(self) -> Sequence[object]:
        found = await self.counted(self.player_ids, "SELECT mmr, xp, level FROM players WHERE player_id = id")
        return list(zip(found[:SUBJECTS], found[SUBJECTS:], strict=True))

    def after(self, number: int, times: int) -> object:
        one = 1000 + 5 * times, 1500 * times, 1 + 1500 * times // 1000
        return one, one

    def answered(self, number: int, answer: Any) -> object:
        return [(player.player_id, player.mmr, player.xp, player.level) for player in answer.players]

    def shown(self, number: int) -> object:
        return [(self.player_ids[place], 1005, 1500, 2) for place in (number, number + SUBJECTS)]


class RecordMatch(Batched):
    service = "inventory"

    def call(self, channel: aio.Channel) -> Callable[[Any], Awaitable[Any]]:
        return MatchServiceStub(channel).RecordMatch

    async def seed(self) -> None:
        await super().seed()
        self.match_ids = [new_id() for _ in range(SUBJECTS)]
        self.taken = new_id()
        await databases.run(self.url, self._insert(self.taken))

    def request(self, number: int, match_id: str = "", second: str = "") -> Message:
        ids = [self.player_ids[number], second or self.player_ids[number + SUBJECTS]]
        players = [match_pb2.MatchPlayer(player_id=i, team=team, score=9) for team, i in enumerate(ids)]
        match = match_pb2.Match(match_id=match_id or self.match_ids[number], game_mode="batch", players=players)
        return match_pb2.RecordMatchRequest(request_id=new_id(), match=match)

    def refused(self, number: int) -> dict[str, Message]:
        return {
            "MATCH_ID_TAKEN": self.request(number, self.taken),
            "PLAYER_NOT_FOUND": self.request(number, second=new_id()),
        }

    def lock(self, number: int) -> str:
        return self._insert(self.match_ids[number])

    async def state(self) -> Sequence[object]:
        sql = """
            SELECT (SELECT count(*) FROM matches WHERE match_id = id),
                   (SELECT count(*) FROM match_players WHERE match_id = id)"""
        return await self.counted(self.match_ids, sql)

    def after(self, number: int, times: int) -> object:
        return times, 2 * times

    def answered(self, number: int, answer: Any) -> object:
        return answer.match.match_id, [player.player_id for player in answer.match.players]

    def shown(self, number: int) -> object:
        return self.match_ids[number], [self.player_ids[number], self.player_ids[number + SUBJECTS]]

    @staticmethod
    def _insert(match_id: str) -> str:
        # With a player, as every match has one: lists of all matches show it to other tests.
        return (
            "WITH made AS ("
            f" INSERT INTO matches (match_id, game_mode, started_at) VALUES ('{match_id}', 'other', now())"
            " RETURNING match_id, game_mode, started_at) "
            "INSERT INTO match_players (match_id, player_id, game_mode, started_at, team, score, kills, deaths,"
            " mmr_change, xp_gained)"
            " SELECT match_id, gen_random_uuid(), game_mode, started_at, 0, 0, 0, 0, 0, 0 FROM made"
        )


EACH: Sequence[type[Batched]] = (
    AdjustCoins,
    TransferCoins,
    GrantItem,
    GrantNewItem,
    ConsumeItem,
    CreatePlayer,
    CreatePlayerWithoutId,
    UpdatePlayer,
    UpdatePlayerWithEtag,
    RenamePlayer,
    BatchApplyProgress,
    RecordMatch,
)

UNDER_REQUEST_IDS = [each for each in EACH if each.once]
