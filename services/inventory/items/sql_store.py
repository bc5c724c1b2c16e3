"""Items in a SQL database. A method for each RPC, a query of the same name for each method."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from services.inventory.items.types import GRANTS, KEPT_ITEM, KEPT_ITEMS, Grant, Item, ItemKey, ItemPosition
from services.inventory.known_players.known_players import KnownPlayers
from shared.contract.errors import DeadlineReached, EtagMismatch, NotFound, PreconditionFailed
from shared.contract.paging import Page
from shared.stores.errors import OutOfRange
from shared.stores.postgres import Postgres, queries
from shared.stores.postgres.reads import Reads
from shared.stores.requests.effects import Effects
from shared.stores.requests.key import RequestKey
from shared.stores.requests.records import PIECES, RequestRecords
from shared.stores.requests.refusal import Refusal, outcome

QUERIES = queries.load(
    Path(__file__).with_name("queries.sql"), PIECES | queries.load_pieces(Path(__file__).with_name("pieces.sql"))
)

_START = ItemPosition("", "")
# How often to try a write that changed no row although the row is there.
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class _Answered:
    answer: str


class SqlItemStore:
    """An ItemStore. Every change and its request record are one statement: all of it happens, or none."""

    def __init__(self, database: Postgres, requests: RequestRecords, players: KnownPlayers) -> None:
        self._database = database
        self._reads = database.reads
        self._requests = requests
        self._players = players
        self._queries = QUERIES.of(database.dialect)
        self._grants = Effects(database, self._queries["grant_item"], KEPT_ITEM)
        self._uses = Effects(
            database, self._queries["consume_item"], KEPT_ITEM, then=self._queries.get("remove_used_up")
        )

    async def grant_item(self, grant: Grant, key: RequestKey) -> Item:
        """Raises NotFound, PreconditionFailed, RequestIdReused."""
        item = grant.player_id, grant.item_type, grant.item_id

        async def effect() -> Item | Refusal | None:
            await self._players.require([grant.player_id])
            with _limited():
                return await self._grants.do(key, grant.params(), keys=[item])

        return await self._requests.once(key, effect, KEPT_ITEM)

    async def batch_grant_items(self, grants: Sequence[Grant], key: RequestKey) -> list[Item]:
        """All or nothing; an item for each grant, as it is after all of them, without its metadata. Raises NotFound,
        PreconditionFailed, RequestIdReused."""
        query = self._queries["batch_grant_items"]
        params = {"grants": GRANTS.dump_json(list(grants)).decode(), **key.params(), **KEPT_ITEMS.params()}

        async def effect() -> list[Item] | Refusal | None:
            await self._players.require([grant.player_id for grant in grants])
            with _limited():
                rows = await self._database.fetch(query, params, _Answered, repeatable=True)
            return outcome(rows[0].answer, KEPT_ITEMS.read) if rows else None

        return await self._requests.once(key, effect, KEPT_ITEMS)

    async def consume_item(self, item: ItemKey, quantity: int, key: RequestKey) -> Item:
        """Raises PreconditionFailed, RequestIdReused."""
        fields = {**item.params(), "quantity": quantity}
        return await self._requests.once(key, lambda: self._uses.do(key, fields, keys=[item]), KEPT_ITEM)

    async def get_item(self, item: ItemKey) -> Item:
        """Raises NotFound."""
        return await self._get_item(self._reads, item)

    async def list_items(
        self, player_id: UUID, item_type: str | None, after: ItemPosition | None, limit: int
    ) -> Page[Item]:
        """Up to `limit` items after a position."""
        after = after or _START
        params = {
            "player_id": player_id,
            "item_type": item_type,
            "after_type": after.item_type,
            "after_id": after.item_id,
            # One more than the page shows whether there is a next one.
            "limit": limit + 1,
        }
        query = self._queries["list_items" if item_type is None else "list_items_of_type"]
        found = await self._reads.fetch(query, params, Item)
        return Page(found[:limit], more=len(found) > limit)

    async def update_item_metadata(self, item: ItemKey, metadata: str, version: int | None) -> Item:
        """Raises NotFound, EtagMismatch."""
        query = self._queries["update_item_metadata"]
        params = {**item.params(), "metadata": metadata, "version": version}
        for _ in range(_ATTEMPTS):
            rows = await self._database.fetch(query, params, Item, repeatable=version is None)
            if rows:
                return rows[0]
            current = (await self._get_item(self._database, item)).version
            if version not in (None, current):
                raise EtagMismatch(str(current))
            # The item was granted after the statement looked: try again. Or it came too late, as the next ones will.
        raise DeadlineReached

    async def close(self) -> None:
        """Cancels the statements under way; their callers are cancelled too."""
        await self._grants.close()
        await self._uses.close()

    async def _get_item(self, reads: Reads, item: ItemKey) -> Item:
        rows = await reads.fetch(self._queries["get_item"], item.params(), Item)
        if not rows:
            raise _item_not_found(item)
        return rows[0]


@contextmanager
def _limited() -> Iterator[None]:
    """Says what it means that a grant's sum is too large."""
    try:
        yield
    except OutOfRange as error:
        raise PreconditionFailed(
            "QUANTITY_LIMIT", "a player would own more than 9223372036854775807 of an item"
        ) from error


def _item_not_found(item: ItemKey) -> NotFound:
    return NotFound("ITEM_NOT_FOUND", "the player has no such item", **item.params())
