"""The bare store operations: what MONITOR shows becomes the service's commands again, reads are the services' own
queries, the peer is scaled."""

from pathlib import Path

import pytest

from bench import catalogue, peer
from bench.bare import postgres, reads, valkey
from bench.bare.figures import quantile

HERE = Path(postgres.__file__).parent


def test_a_line_of_monitor_gives_its_words_back() -> None:
    line = rb'1716579.123456 [0 unix:/a] "EVALSHA" "ab" "1" "key \"q\" \\" "\x00\xff\n\r\t" ""'
    assert valkey.words(line) == [b"EVALSHA", b"ab", b"1", b'key "q" \\', b"\0\xff\n\r\t", b""]


def test_what_scripts_do_inside_is_no_command() -> None:
    assert valkey.words(b'1716579.123456 [0 lua] "HGET" "board"') is None
    assert valkey.words(b"OK") is None


def test_every_case_has_its_bare_operation() -> None:
    for case in catalogue.CASES:
        if case.sql is None:
            assert case.replayed in ("ranks", "cache"), case.name
        else:
            script = reads.script(case.sql[1]) or (HERE / f"{case.sql[1]}.sql").read_text()
            assert ":n" in script, case.name
            assert "%(" not in script, case.name


def test_quantiles() -> None:
    values = [float(value) for value in range(1, 101)]
    assert (quantile(values, 0.5), quantile(values, 0.99), quantile([], 0.5)) == (51.0, 100.0, 0.0)


def test_the_peer_is_scaled_by_the_empty_calls() -> None:
    known = peer.load()
    scaled = known.scaled("SubmitScore", 64, known.empty_calls_per_s / 2)
    assert scaled is not None
    assert scaled.calls_per_s == pytest.approx(5450 / 2)
    assert scaled.p99_ms == pytest.approx(28 * 2)
    assert known.scaled("SubmitScore", 1, 42_000) is None, "its figures are of 64 callers"
    assert known.scaled("GetEntry", 64, 42_000) is None
