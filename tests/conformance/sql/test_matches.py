"""Matches: started, finished once, recorded once, and listed newest first without gaps."""

import asyncio
import copy
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest
from savepoint.match.v1 import match_pb2 as pb
from savepoint.match.v1.match_pb2_grpc import MatchServiceStub
from savepoint.profile.v1.profile_pb2 import CreatePlayerRequest
from savepoint.profile.v1.profile_pb2_grpc import ProfileServiceStub

from tests.conftest import Players
from tests.support.errors import failure
from tests.support.service import Service

if TYPE_CHECKING:
    from savepoint.match.v1.match_pb2_grpc import MatchServiceAsyncStub

Matches: TypeAlias = "MatchServiceAsyncStub"

FIRST_INTERNATIONAL = datetime(1872, 11, 30, tzinfo=UTC)


@pytest.fixture
def matches(inventory: Service) -> Matches:
    return MatchServiceStub(inventory.channel)


@pytest.fixture
async def two(players: Players) -> list[str]:
    return await players(2)


def start(*player_ids: str, **values: Any) -> pb.StartMatchRequest:
    return pb.StartMatchRequest(
        request_id=str(uuid.uuid4()),
        **{"game_mode": "duel", "participants": participants(*player_ids), **values},
    )


def finish(match_id: str, **values: Any) -> pb.FinishMatchRequest:
    return pb.FinishMatchRequest(request_id=str(uuid.uuid4()), match_id=match_id, **values)


def record(*player_ids: str, **values: Any) -> pb.RecordMatchRequest:
    match = pb.Match(**{"game_mode": "duel", "players": sides(*player_ids), **values})
    return pb.RecordMatchRequest(request_id=str(uuid.uuid4()), match=match)


def participants(*player_ids: str) -> list[pb.MatchParticipant]:
    """Each a team of its own: 0, 1, …"""
    return [pb.MatchParticipant(player_id=player_id, team=team) for team, player_id in enumerate(player_ids)]


def results(*player_ids: str) -> list[pb.PlayerResult]:
    """Likewise."""
    return [pb.PlayerResult(player_id=player_id, team=team) for team, player_id in enumerate(player_ids)]


def sides(*player_ids: str) -> list[pb.MatchPlayer]:
    """Likewise."""
    return [pb.MatchPlayer(player_id=player_id, team=team) for team, player_id in enumerate(player_ids)]


async def get(matches: Matches, match_id: str) -> pb.Match:
    return (await matches.GetMatch(pb.GetMatchRequest(match_id=match_id))).match


async def listed(matches: Matches, page_size: int, **filters: str) -> list[pb.Match]:
    """All pages."""
    found: list[pb.Match] = []
    token = ""
    while True:
        request = pb.ListMatchesRequest(page_size=page_size, page_token=token, **filters)
        page = await matches.ListMatches(request)
        assert len(page.matches) <= page_size
        found += page.matches
        token = page.next_page_token
        if not token:
            return found


async def test_a_match_is_in_progress_until_it_is_finished(matches: Matches, players: Players) -> None:
    one, two, late = await players(3)
    request = start(two, one)
    request.metadata.update({"map": "harbour"})
    started = (await matches.StartMatch(request)).match
    assert started.state == pb.MATCH_STATE_IN_PROGRESS
    assert not started.HasField("ended_at")
    assert not started.HasField("winner_team")
    assert await get(matches, started.match_id) == started

    parts: list[dict[str, Any]] = [
        {"player_id": one, "team": 1, "score": -3, "kills": 2, "deaths": 1, "mmr_change": 12, "xp_gained": 40},
        {"player_id": late, "team": 0, "score": 2**63 - 1, "kills": 2**63 - 1, "deaths": 2**63 - 1},
    ]
    request_to_finish = finish(started.match_id, winner_team=1, results=[pb.PlayerResult(**part) for part in parts])
    finished = (await matches.FinishMatch(request_to_finish)).match
    assert finished.state == pb.MATCH_STATE_FINISHED
    assert finished.winner_team == 1
    assert finished.ended_at.ToDatetime(UTC) >= finished.started_at.ToDatetime(UTC)
    assert finished.started_at == started.started_at
    assert finished.metadata["map"] == "harbour"
    without_result = [player for player in started.players if player.player_id == two]
    with_result = [pb.MatchPlayer(**part) for part in parts]
    expected = sorted([*with_result, *without_result], key=lambda player: (player.team, player.player_id))
    assert list(finished.players) == expected
    assert await get(matches, started.match_id) == finished
    assert await listed(matches, 10, player_id=late) == [finished]


async def test_a_match_is_finished_once(matches: Matches, two: list[str]) -> None:
    match_id = (await matches.StartMatch(start(*two))).match.match_id
    finished = (await matches.FinishMatch(finish(match_id, winner_team=0))).match
    refused = await failure(matches.FinishMatch(finish(match_id, winner_team=1)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "MATCH_FINISHED")
    assert await get(matches, match_id) == finished
    recorded = (await matches.RecordMatch(record(*two))).match.match_id
    assert (await failure(matches.FinishMatch(finish(recorded)))).reason == "MATCH_FINISHED"


async def test_a_result_without_a_team_keeps_the_team_of_the_start(matches: Matches, players: Players) -> None:
    red, blue, moved, late = await players(4)
    teams = {red: 1, blue: 2, moved: 1}
    sides = [pb.MatchParticipant(player_id=player_id, team=team) for player_id, team in teams.items()]
    match_id = (await matches.StartMatch(start(participants=sides))).match.match_id
    brought = [pb.PlayerResult(player_id=player_id, score=5) for player_id in (red, blue, late)]
    request = finish(match_id, winner_team=2, results=[*brought, pb.PlayerResult(player_id=moved, team=0)])
    finished = (await matches.FinishMatch(request)).match
    assert {player.player_id: player.team for player in finished.players} == {red: 1, blue: 2, moved: 0, late: 0}
    assert await get(matches, match_id) == finished
    # Of a team that nobody is in there is no winner, whoever left out the team.
    other = (await matches.StartMatch(start(participants=sides))).match.match_id
    nobody_there = finish(other, winner_team=0, results=[pb.PlayerResult(player_id=red)])
    assert (await failure(matches.FinishMatch(nobody_there))).field == "winner_team"


async def test_of_16_different_finishes_at_once_one_takes_effect(matches: Matches, players: Players) -> None:
    ids = await players(16)
    match_id = (await matches.StartMatch(start(*ids))).match.match_id
    outcomes = await asyncio.gather(
        *(matches.FinishMatch(finish(match_id, winner_team=team)) for team in range(16)), return_exceptions=True
    )
    done = [outcome.match for outcome in outcomes if isinstance(outcome, pb.FinishMatchResponse)]
    assert done == [await get(matches, match_id)]


async def test_a_finish_must_fit_its_match(matches: Matches, players: Players, two: list[str]) -> None:
    started = (await matches.StartMatch(start(*two, started_at=FIRST_INTERNATIONAL))).match
    match_id = started.match_id
    early = finish(match_id, ended_at=FIRST_INTERNATIONAL - timedelta(microseconds=1))
    assert (await failure(matches.FinishMatch(early))).field == "ended_at"
    assert (await failure(matches.FinishMatch(finish(match_id, winner_team=2)))).field == "winner_team"
    assert (await failure(matches.FinishMatch(finish(match_id, winner_team=-1)))).field == "winner_team"
    stranger = await failure(matches.FinishMatch(finish(match_id, results=results(str(uuid.uuid4())))))
    assert stranger.reason == "PLAYER_NOT_FOUND"
    many = await players(199)
    assert (await failure(matches.FinishMatch(finish(match_id, results=results(*many))))).field == "results"
    assert (await failure(matches.FinishMatch(finish(str(uuid.uuid4()))))).reason == "MATCH_NOT_FOUND"
    assert await get(matches, match_id) == started
    full = (await matches.FinishMatch(finish(match_id, results=results(*many[:198])))).match
    assert len(full.players) == 200


async def test_a_match_that_starts_ahead_of_our_clock_can_end(matches: Matches, two: list[str]) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    match_id = (await matches.StartMatch(start(*two, started_at=ahead))).match.match_id
    assert (await matches.FinishMatch(finish(match_id))).match.ended_at.ToDatetime(UTC) == ahead


async def test_a_recorded_match_is_over_and_kept_as_it_was_given(matches: Matches, players: Players) -> None:
    ids = await players(4)
    given = [
        pb.MatchPlayer(player_id=player, team=place % 2, score=place, kills=place, deaths=3, mmr_change=-7, xp_gained=9)
        for place, player in enumerate(ids)
    ]
    match_id = str(uuid.uuid4())
    request = record(match_id=match_id, game_mode="FIFA World Cup", started_at=FIRST_INTERNATIONAL, winner_team=1)
    request.match.players.extend(given)
    request.match.metadata.update({"city": "Glasgow", "neutral": False})
    match = (await matches.RecordMatch(request)).match
    assert match.match_id == match_id
    assert match.state == pb.MATCH_STATE_FINISHED
    assert match.started_at.ToDatetime(UTC) == match.ended_at.ToDatetime(UTC) == FIRST_INTERNATIONAL
    assert match.winner_team == 1
    assert match.metadata == request.match.metadata
    assert list(match.players) == sorted(given, key=lambda player: (player.team, player.player_id))
    assert await get(matches, match_id) == match


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
async def test_a_match_may_be_of_any_year(matches: Matches, two: list[str], moment: datetime) -> None:
    moment = moment.replace(tzinfo=UTC)
    match = (await matches.RecordMatch(record(*two, started_at=moment, ended_at=moment))).match
    assert match.started_at.ToDatetime(UTC) == moment
    assert await get(matches, match.match_id) == match
    assert await listed(matches, 1, player_id=two[0]) == [match]


async def test_the_times_that_are_left_out_follow_from_the_other(matches: Matches, two: list[str]) -> None:
    now = datetime.now(UTC)
    neither = (await matches.RecordMatch(record(*two))).match
    assert abs(neither.started_at.ToDatetime(UTC) - now) < timedelta(seconds=10)
    assert neither.ended_at == neither.started_at
    ended = (await matches.RecordMatch(record(*two, ended_at=FIRST_INTERNATIONAL))).match
    assert ended.started_at == ended.ended_at


async def test_ids_that_are_made_are_in_the_order_of_time(matches: Matches, two: list[str]) -> None:
    first = (await matches.RecordMatch(record(*two))).match.match_id
    await asyncio.sleep(0.002)
    second = (await matches.StartMatch(start(*two))).match.match_id
    assert first < second
    assert uuid.UUID(first).version == 7


async def test_200_players_with_all_the_attributes_they_may_have_can_play(matches: Matches, profile: Service) -> None:
    # Profile's answer to the question who of them exists is larger than what a gRPC client takes by itself.
    attributes = {f"{place:04}": "x" * 5 for place in range(1000)}
    stub, ids = ProfileServiceStub(profile.channel), [str(uuid.uuid4()) for _ in range(200)]
    for player_id in ids:
        request = CreatePlayerRequest(username=player_id[:32], email=f"{player_id}@example.com", player_id=player_id)
        request.attributes.update(attributes)
        await stub.CreatePlayer(request)
    assert len((await matches.RecordMatch(record(*ids))).match.players) == 200


async def test_a_match_id_is_taken_once(matches: Matches, two: list[str]) -> None:
    match_id = str(uuid.uuid4())
    outcomes = await asyncio.gather(
        *(matches.RecordMatch(record(*two, match_id=match_id)) for _ in range(8)), return_exceptions=True
    )
    assert len([outcome for outcome in outcomes if isinstance(outcome, pb.RecordMatchResponse)]) == 1
    refused = await failure(matches.RecordMatch(record(*two, match_id=match_id)))
    assert (refused.code, refused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "MATCH_ID_TAKEN")


Request = pb.StartMatchRequest | pb.RecordMatchRequest | pb.FinishMatchRequest


async def each_write(matches: Matches, player_ids: list[str]) -> list[tuple[Request, Callable[[Any], Any]]]:
    open_match = (await matches.StartMatch(start(*player_ids))).match.match_id
    return [
        (start(*player_ids), matches.StartMatch),
        (record(*player_ids), matches.RecordMatch),
        (record(*player_ids, match_id=str(uuid.uuid4())), matches.RecordMatch),
        (finish(open_match, results=results(*player_ids)), matches.FinishMatch),
    ]


async def test_a_replay_is_answered_alike_to_the_byte(matches: Matches, two: list[str]) -> None:
    for request, call in await each_write(matches, two):
        if not isinstance(request, pb.FinishMatchRequest):
            kept = request.match if isinstance(request, pb.RecordMatchRequest) else request
            kept.metadata.update({letter: letter for letter in "hgfedcba"})
        first = await call(request)
        replay = await call(request)
        assert replay.SerializeToString() == first.SerializeToString()
    assert len(await listed(matches, 100, player_id=two[0])) == 4


async def test_32_concurrent_identical_requests_take_effect_once(matches: Matches, two: list[str]) -> None:
    for request, call in await each_write(matches, two):
        answers = await asyncio.gather(*(call(request) for _ in range(32)))
        assert len({answer.SerializeToString() for answer in answers}) == 1
    assert len(await listed(matches, 100, player_id=two[0])) == 4


def _first_player(request: Request) -> Any:
    if isinstance(request, pb.StartMatchRequest):
        return request.participants[0]
    return request.results[0] if isinstance(request, pb.FinishMatchRequest) else request.match.players[0]


async def test_a_request_id_serves_one_request_only(matches: Matches, two: list[str]) -> None:
    for request, call in await each_write(matches, two):
        await call(request)
        changed = copy.deepcopy(request)
        _first_player(changed).team = 5
        refused = await failure(call(changed))
        assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_nothing_is_kept_of_a_match_with_a_stranger(matches: Matches, players: Players) -> None:
    [known] = await players(1)
    stranger = str(uuid.uuid4())
    for refused in (
        await failure(matches.RecordMatch(record(known, stranger))),
        await failure(matches.StartMatch(start(known, stranger))),
    ):
        assert (refused.code, refused.reason) == (grpc.StatusCode.NOT_FOUND, "PLAYER_NOT_FOUND")
        assert refused.metadata["player_id"] == stranger
    assert await listed(matches, 10, player_id=known) == []


async def test_pages_are_complete_in_order_and_without_repeats(matches: Matches, players: Players) -> None:
    one, two, three = await players(3)
    mode, other = f"mode-{uuid.uuid4().hex[:20]}", f"mode-{uuid.uuid4().hex[:20]}"
    kept = []
    for number in range(40):
        # Four of each moment: it is the id that makes the order certain.
        moment = FIRST_INTERNATIONAL + timedelta(days=number // 4)
        pair = ((one, two), (two, three), (one, three))[number % 3]
        request = record(*pair, game_mode=(mode, other)[number % 2], started_at=moment)
        kept.append((await matches.RecordMatch(request)).match)
    kept.sort(key=lambda match: (match.started_at.ToNanoseconds(), match.match_id), reverse=True)

    def of(player: str) -> list[pb.Match]:
        return [match for match in kept if any(part.player_id == player for part in match.players)]

    for size in (1, 7, 1000):
        assert await listed(matches, size, player_id=one) == of(one)
        assert await listed(matches, size, game_mode=mode) == [match for match in kept if match.game_mode == mode]
        both = [match for match in of(two) if match.game_mode == other]
        assert await listed(matches, size, player_id=two, game_mode=other) == both


async def test_the_list_of_all_matches_starts_with_the_newest(matches: Matches, two: list[str]) -> None:
    ahead = datetime.now(UTC) + timedelta(days=300_000)
    newest = [
        (await matches.RecordMatch(record(*two, started_at=ahead + timedelta(days=day)))).match for day in (3, 2, 1)
    ]
    page = await matches.ListMatches(pb.ListMatchesRequest(page_size=10))
    assert [match for match in page.matches if match in newest] == newest


async def test_a_page_of_large_matches_ends_before_it_is_too_large_to_receive(matches: Matches, two: list[str]) -> None:
    text = "x" * 60_000
    for _ in range(70):
        request = record(*two)
        request.match.metadata["text"] = text
        await matches.RecordMatch(request)
    assert len(await listed(matches, 1000, player_id=two[0])) == 70


async def test_a_page_token_is_of_its_list_only(matches: Matches, two: list[str]) -> None:
    for _ in range(2):
        await matches.RecordMatch(record(*two))
    token = (await matches.ListMatches(pb.ListMatchesRequest(player_id=two[0], page_size=1))).next_page_token
    for forged in (
        pb.ListMatchesRequest(player_id=two[1], page_token=token),
        pb.ListMatchesRequest(player_id=two[0], game_mode="duel", page_token=token),
        pb.ListMatchesRequest(page_token=token),
        pb.ListMatchesRequest(player_id=two[0], page_token=token[:-1]),
    ):
        assert (await failure(matches.ListMatches(forged))).field == "page_token"
    assert (await failure(matches.ListMatches(pb.ListMatchesRequest(page_size=-1)))).field == "page_size"
    assert (await failure(matches.ListMatches(pb.ListMatchesRequest(player_id="x")))).field == "player_id"


async def test_200_players_fit_and_201_do_not(matches: Matches, players: Players) -> None:
    ids = await players(201)
    match = (await matches.RecordMatch(record(*ids[:200]))).match
    assert [player.team for player in match.players] == list(range(200))
    assert await get(matches, match.match_id) == match
    assert (await failure(matches.RecordMatch(record(*ids)))).field == "match.players"
    assert (await failure(matches.StartMatch(start(*ids)))).field == "participants"


def _set(match: pb.Match, field: str, value: Any) -> None:
    owner: Any = match.players[1] if field.startswith("players[1].") else match
    setattr(owner, field.removeprefix("players[1]."), value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("match_id", "no-uuid"),
        ("game_mode", ""),
        ("game_mode", "x" * 33),
        ("game_mode", "nul\0"),
        ("started_at", pb.Match(started_at={"nanos": -1}).started_at),
        ("started_at", pb.Match(started_at={"seconds": 2**62}).started_at),
        ("ended_at", FIRST_INTERNATIONAL - timedelta(seconds=1)),
        ("winner_team", -1),
        ("winner_team", 2),
        ("players[1].player_id", ""),
        ("players[1].team", -1),
        ("players[1].kills", -1),
        ("players[1].deaths", -(2**31)),
        ("players[1].xp_gained", -1),
    ],
)
async def test_a_field_that_cannot_be_is_named(matches: Matches, two: list[str], field: str, value: Any) -> None:
    request = record(*two, started_at=FIRST_INTERNATIONAL)
    if field.endswith("_at") and not isinstance(value, datetime):
        getattr(request.match, field).CopyFrom(value)
    else:
        _set(request.match, field, value)
    refused = await failure(matches.RecordMatch(request))
    assert (refused.code, refused.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert refused.field == f"match.{field}"
    assert await listed(matches, 10, player_id=two[0]) == []


async def test_requests_that_cannot_be_are_refused(matches: Matches, two: list[str]) -> None:
    one = two[0]
    assert (await failure(matches.RecordMatch(record(one, one)))).field == "match.players[1].player_id"
    assert (await failure(matches.RecordMatch(record()))).field == "match.players"
    assert (await failure(matches.RecordMatch(pb.RecordMatchRequest()))).field == "request_id"
    assert (await failure(matches.StartMatch(start()))).field == "participants"
    assert (await failure(matches.StartMatch(start(one, game_mode="")))).field == "game_mode"
    assert (await failure(matches.FinishMatch(finish("")))).field == "match_id"
    assert (await failure(matches.FinishMatch(finish(str(uuid.uuid4()), results=results(one, one))))).field == (
        "results[1].player_id"
    )
    missing = await failure(matches.GetMatch(pb.GetMatchRequest(match_id=str(uuid.uuid4()))))
    assert (missing.code, missing.reason) == (grpc.StatusCode.NOT_FOUND, "MATCH_NOT_FOUND")
    too_large = record(*two)
    too_large.match.metadata["text"] = "x" * 64 * 1024
    assert (await failure(matches.RecordMatch(too_large))).field == "match.metadata"
    not_a_number = record(*two)
    not_a_number.match.metadata["n"] = float("nan")
    assert (await failure(matches.RecordMatch(not_a_number))).field == "match.metadata.n"
    assert await listed(matches, 10, player_id=one) == []
