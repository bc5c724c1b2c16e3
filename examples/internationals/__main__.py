"""`python -m examples.internationals`, which is `make demo`: see --help."""

import os
import sys
import time

import uvloop
from rich.console import Console

from examples.internationals import rating, report, results, settings
from examples.internationals.call import CallError
from examples.internationals.gateway import NobodyListeningError, connect
from examples.internationals.league import League
from examples.internationals.phases import Phases
from examples.internationals.players import LeagueTooOldError, Players
from examples.internationals.readback import ReadBack
from examples.internationals.season import ScoreRefusedError, Season

CANNOT_RUN = (results.ResultsError, NobodyListeningError, LeagueTooOldError, CallError, ScoreRefusedError)


async def demo(how: settings.Settings) -> report.Outcome:
    """Plays a league, reads it back, and says how it went. Raises one of CANNOT_RUN."""
    played = results.read(how.file, how.limit)
    matches, table = rating.rate(played)
    league = League(played, how.league)
    phases = Phases(Console(stderr=True))
    async with connect(how.address) as gateway:
        players = Players(gateway, league, list(table))
        async with phases.show("players", len(table), lambda: players.ready):
            await players.sign_up()

        season = Season(gateway, league, matches)
        cpu_s = time.process_time()
        async with phases.show("matches", len(matches), lambda: season.played):
            await season.play(how.in_flight)
        cpu_s = time.process_time() - cpu_s

        read_back = ReadBack(gateway, league, players, table, await season.token())
        async with phases.show("read back", len(table), lambda: read_back.teams_read):
            found = await read_back.run()

    seconds = phases.seconds["matches"]
    return report.Outcome(
        players=len(table),
        matches=len(matches),
        seconds=round(seconds, 3),
        matches_per_s=round(len(matches) / seconds, 1),
        top10=found.top,
        mismatches=found.mismatches,
        leaderboard_id=league.leaderboard_id,
        players_created=players.created,
        around=found.around,
        around_team=found.around_team,
        mmr_change_sum=found.change_sum,
        in_flight=how.in_flight,
        client_cpu_ms_per_match=round(1000 * cpu_s / len(matches), 3),
        phase_seconds={phase: round(took, 3) for phase, took in phases.seconds.items()},
    )


def main() -> int:
    """0: all is as it should be; 1: Savepoint differs from our sums; 2: the demo could not be played."""
    how = settings.parse(sys.argv[1:], os.environ)
    try:
        outcome = uvloop.run(demo(how))
    except CANNOT_RUN as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the next run goes on from there, and nothing is done twice", file=sys.stderr)
        return 130
    if how.json:
        print(report.as_json(outcome))
    else:
        report.show(outcome, Console())
    return 1 if outcome.mismatches else 0


if __name__ == "__main__":
    sys.exit(main())
