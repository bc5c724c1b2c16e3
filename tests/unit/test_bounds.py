"""Bounds that must agree do."""

import re
from pathlib import Path

from services.gamelog.events import incoming, mongodb_positions, tails
from services.gamelog.settings import GameLogSettings
from services.inventory.settings import InventorySettings
from services.leaderboard.settings import LeaderboardSettings
from services.profile.player_cache import loads
from services.profile.settings import ProfileSettings
from shared.rpc.http2 import bounds as http2_bounds
from shared.rpc.http2 import server as http2
from shared.stores.postgres import lease, pool
from shared.work import background, bounds

ROOT = Path(__file__).parent.parent.parent


def test_what_must_outlast_a_call_does() -> None:
    # A statement that its caller left, or that froze, is cancelled, and then cut off, within this.
    longest_statement_s = bounds.LONGEST_CALL_S + lease.GRACE_S + lease.CANCEL_S
    assert longest_statement_s < bounds.WRITER_MS / 1000
    assert longest_statement_s < bounds.CALL_KEPT_S
    assert bounds.LONGEST_CALL_S <= bounds.STATEMENT_TIMEOUT_S < lease.LONGEST_S
    assert pool.POOL_WAIT_S < bounds.LONGEST_CALL_S


def test_what_must_end_within_a_call_does() -> None:
    assert bounds.BATCH_BOUND_S <= bounds.LONGEST_CALL_S
    for settings in (ProfileSettings, InventorySettings, LeaderboardSettings, GameLogSettings):
        [most] = [rule.le for rule in settings.model_fields["default_deadline_s"].metadata if hasattr(rule, "le")]
        assert most <= bounds.LONGEST_CALL_S


def test_a_write_of_the_game_log_has_ended_long_before_it_counts_as_abandoned() -> None:
    assert 2 * bounds.BATCH_BOUND_S < mongodb_positions.ABANDONED_S


def test_a_stream_shows_that_it_lives_before_its_other_end_gives_it_up() -> None:
    assert tails.TELL_EVERY_S < http2_bounds.LONGEST_WRITE_S < incoming.LONGEST_SILENCE_S


def test_a_ping_ends_before_health_gives_it_up() -> None:
    assert bounds.PING_S < bounds.PING_WAIT_S


def test_the_gateway_lets_calls_be_as_long_as_services_do() -> None:
    template = (ROOT / "deploy" / "gateway" / "envoy.yaml.tmpl").read_text()
    [bound] = re.findall(r"max_stream_duration: (\d+)s\n", template)
    assert int(bound) > bounds.LONGEST_CALL_S


def test_closing_is_bounded() -> None:
    host_s = http2._END_WITHIN_S + http2._CLOSE_WITHIN_S
    stores_s = lease.GRACE_S + lease.CANCEL_S + pool.CONNECT_TIMEOUT_S + 1
    assert host_s + background.ENDS_WITHIN_S + loads.FILL_BOUND_S + stores_s < bounds.CLOSING_S


def test_compose_waits_until_a_service_has_stopped() -> None:
    compose = (ROOT / "deploy" / "docker-compose.yml").read_text()
    [service] = re.findall(r"^x-service: &service\n((?:  .*\n)+)", compose, re.M)
    [waits] = re.findall(r"stop_grace_period: (\d+)s", service)
    [notice] = re.findall(r"SHUTDOWN_NOTICE_S: (\d+)", compose)
    [grace] = re.findall(r"SHUTDOWN_GRACE_S: (\d+)", compose)
    assert int(waits) > int(notice) + int(grace) + bounds.CLOSING_S


def test_no_script_has_a_bound_of_its_own() -> None:
    for script in (ROOT / "services").rglob("*.lua"):
        code = re.sub(r"--.*", "", script.read_text())
        assert not re.findall(r"EXPIRE'[^)]*\d{2,}\)|'EX', \d|< \d{4,}", code), script
