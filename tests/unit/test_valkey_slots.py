"""Slots of a cluster, and what its nodes say of them."""

import pytest

from shared.stores.valkey.slots import Range, Redirect, ranges, redirect_of, slot_of
from shared.stores.valkey.url import Address

ASKED = Address("asked", 7)


@pytest.mark.parametrize(
    ("key", "slot"),
    [
        # From the specification, and by CLUSTER KEYSLOT.
        ("123456789", 0x31C3),
        ("foo", 12182),
        (b"foo", 12182),
        (7, slot_of("7")),
        ("{foo}", 12182),
        ("any{foo}thing{bar}", 12182),
        ("{}foo", slot_of(b"{}foo")),
        ("{foo", slot_of(b"{foo")),
        ("foo{}{bar}", 8363),
        ("foo{{bar}}zap", 4015),
        ("board:{boss-1}:ranks", slot_of("boss-1")),
    ],
)
def test_a_key_s_slot_is_that_of_what_stands_in_its_first_braces(key: str | bytes | int, slot: int) -> None:
    assert slot_of(key) == slot


def test_the_map_has_the_primary_first_and_may_leave_out_an_address() -> None:
    answer = [
        [0, 5460, [b"10.0.0.1", 6379, b"id", {}], [b"10.0.0.2", 6380, b"id", {}]],
        [5461, 5461, [None, 6381, b"id"]],
        [5462, 16383, [b"", 6382, b"id", {}]],
    ]
    assert list(ranges(answer, ASKED)) == [
        Range(0, 5460, Address("10.0.0.1", 6379), (Address("10.0.0.2", 6380),)),
        Range(5461, 5461, Address("asked", 6381), ()),
        Range(5462, 16383, Address("asked", 6382), ()),
    ]


@pytest.mark.parametrize("answer", [[[0]], [[0, 1]], [["a", 1, [b"h", 1]]], 5, [[0, 1, [b"h"]]]])
def test_a_map_of_another_form_is_refused(answer: list[object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        list(ranges(answer, ASKED))


@pytest.mark.parametrize(
    ("message", "redirect"),
    [
        ("MOVED 3999 127.0.0.1:6381", Redirect(True, 3999, Address("127.0.0.1", 6381))),
        ("ASK 3999 127.0.0.1:6381", Redirect(False, 3999, Address("127.0.0.1", 6381))),
        ("MOVED 1 node-1.example:6381", Redirect(True, 1, Address("node-1.example", 6381))),
        ("MOVED 1 ::1:6381", Redirect(True, 1, Address("::1", 6381))),
        ("MOVED 1 :6381", Redirect(True, 1, Address("asked", 6381))),
        ("TRYAGAIN Multiple keys request during rehashing of slot", None),
        ("CLUSTERDOWN The cluster is down", None),
        ("MOVED", None),
        ("", None),
    ],
)
def test_redirects(message: str, redirect: Redirect | None) -> None:
    assert redirect_of(message, ASKED) == redirect
