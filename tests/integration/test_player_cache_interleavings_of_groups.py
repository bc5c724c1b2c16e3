"""The same plays as in test_player_cache_interleavings.py, with a cache under Sentinel and one in a cluster."""

from collections.abc import AsyncIterator

import pytest

from shared.stores.postgres import Postgres
from shared.telemetry.store import StoreTelemetry
from tests.integration.test_player_cache_interleavings import (
    Stage,
    test_a_reader_and_a_writer,
    test_a_reader_and_a_writer_in_one_process,
    test_a_reader_and_a_writer_over_a_cached_player,
    test_a_reader_and_a_writer_that_dies_after_its_commit,
    test_a_reader_and_two_writers,
    test_a_reader_and_two_writers_of_which_one_dies_after_its_commit,
    test_a_reader_and_two_writers_of_which_one_does_not_know_what_it_wrote,
    test_a_reader_whose_lease_was_evicted_fills_nothing,
    test_a_writer_whose_announcement_has_lapsed_drops_what_was_filled_since,
    test_a_writer_whose_announcement_was_evicted_puts_nothing,
)
from tests.support import valkeys

__all__ = [
    "test_a_reader_and_a_writer",
    "test_a_reader_and_a_writer_in_one_process",
    "test_a_reader_and_a_writer_over_a_cached_player",
    "test_a_reader_and_a_writer_that_dies_after_its_commit",
    "test_a_reader_and_two_writers",
    "test_a_reader_and_two_writers_of_which_one_dies_after_its_commit",
    "test_a_reader_and_two_writers_of_which_one_does_not_know_what_it_wrote",
    "test_a_reader_whose_lease_was_evicted_fills_nothing",
    "test_a_writer_whose_announcement_has_lapsed_drops_what_was_filled_since",
    "test_a_writer_whose_announcement_was_evicted_puts_nothing",
]
pytestmark = pytest.mark.thorough


@pytest.fixture(scope="module", params=["replica", "cluster"])
async def stage(
    request: pytest.FixtureRequest,
    database: Postgres,
    store_telemetry: StoreTelemetry,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Stage]:
    async with (
        valkeys.group(tmp_path_factory.mktemp("cache"), request.param) as group,
        group.connect(store_telemetry, tells_reign=True) as server,
    ):
        yield Stage(database, server)
