"""Events of real matches: kick-off, goals and the end of each, over and over until there are as many as wanted; and
what an aggregation of them must come to.

The matches lie a fixed time apart in the days that the game log keeps. Ids follow from numbers, so the same run can be
made again.
"""

import csv
import gzip
import math
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from savepoint.gamelog.v1 import gamelog_pb2 as pb

from deploy.local.settings import CHECKOUT

RESULTS = CHECKOUT / "examples" / "data" / "internationals.csv.gz"
DAYS = 28
VALUE = "shot.distance"
_TEAMS = uuid.UUID("6f3f4e0a-7d0f-5c1e-9a52-2f1f0f0c7a11")
_MATCH_MINUTES = 90


@dataclass
class Bucket:
    """The events of one type in one hour."""

    events: int = 0
    numbers: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The sum, rounded once."""
        return math.fsum(self.numbers)


class Happenings:
    """`wanted` events, the last of which happen right before `until`; what has been made of them so far is counted."""

    def __init__(self, wanted: int, until: datetime) -> None:
        self._wanted = wanted
        self._begin = until - timedelta(days=DAYS)
        self._run = uuid.uuid4()
        # Per hour and type; and per player the ids in the order of their times.
        self.hours: defaultdict[tuple[datetime, str], Bucket] = defaultdict(Bucket)
        self.of_player: defaultdict[str, list[tuple[datetime, str]]] = defaultdict(list)

    def batches(self, size: int) -> Iterator[bytes]:
        """All of them as the messages of a stream, serialized."""
        batch = pb.AppendEventStreamRequest()
        for event in self._events():
            batch.events.append(event)
            if len(batch.events) == size:
                yield batch.SerializeToString()
                batch = pb.AppendEventStreamRequest()
        if batch.events:
            yield batch.SerializeToString()

    def _events(self) -> Iterator[pb.Event]:
        with gzip.open(RESULTS, "rt", encoding="utf-8", newline="") as file:
            results = [
                (row["home_team"], row["away_team"], int(row["home_score"]), int(row["away_score"]))
                for row in csv.DictReader(file)
                if row["home_score"].isdigit() and row["away_score"].isdigit()
            ]
        a_match = 2 + sum(home + away for _, _, home, away in results) / len(results)
        apart = timedelta(days=DAYS, hours=-2) / (self._wanted / a_match + 1)
        made = 0
        for number in count():
            for event in self._match(number, self._begin + number * apart, *results[number % len(results)]):
                yield event
                made += 1
                # At once: whoever makes the next one counts it.
                if made == self._wanted:
                    return

    def _match(
        self, number: int, kick_off: datetime, home: str, away: str, home_score: int, away_score: int
    ) -> Iterator[pb.Event]:
        match_id = str(uuid.uuid5(self._run, f"match {number}"))
        goals = home_score + away_score
        for place in range(goals + 2):
            kind = "match.kick_off" if place == 0 else "match.end" if place == goals + 1 else "match.goal"
            minute = place * _MATCH_MINUTES // (goals + 1)
            time = kick_off + timedelta(minutes=minute, microseconds=number % 1000)
            team = away if home_score < place <= goals else home
            payload = Struct()
            payload.fields["minute"].number_value = minute
            payload.fields["team"].string_value = team
            number_there = None
            if kind == "match.goal":
                number_there = ((number * 31 + place * 17) % 3001) / 100
                payload.fields["shot"].struct_value.fields["distance"].number_value = number_there
            yield self._counted(f"{number}/{place}", kind, team, match_id, time, payload, number_there)

    def _counted(
        self,
        name: str,
        kind: str,
        team: str,
        match_id: str,
        time: datetime,
        payload: Struct,
        number: float | None,
    ) -> pb.Event:
        event_id, player_id = str(uuid.uuid5(self._run, name)), str(uuid.uuid5(_TEAMS, team))
        bucket = self.hours[time.replace(minute=0, second=0, microsecond=0), kind]
        bucket.events += 1
        if number is not None:
            bucket.numbers.append(number)
        self.of_player[player_id].append((time, event_id))
        stamp = Timestamp()
        stamp.FromDatetime(time)
        return pb.Event(
            event_id=event_id, type=kind, player_id=player_id, match_id=match_id, time=stamp, payload=payload
        )
