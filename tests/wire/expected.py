"""Which answers to an attack are right, on which host, and why.

An answer is a set of what was seen: a gRPC status, "HTTP 415", "RST CANCEL", "GOAWAY PROTOCOL_ERROR", "left open" for a
stream that does not end; and how the connection ended up: "alive", "closed", "silent" (neither answers nor ends),
"stalled" (was not read from for a while), "gone" (it is we who left).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

HTTPUNK, GRPC_AIO = "httpunk", "grpc_aio"


@dataclass(frozen=True)
class Expected:
    """Of every group in `must` something is seen, and nothing beyond `must` and `may`; `why` names the rule."""

    must: tuple[frozenset[str], ...]
    may: frozenset[str]
    why: str

    def violations(self, answer: Mapping[str, int]) -> Iterator[str]:
        """What is not as it should be."""
        seen = frozenset(answer)
        for group in self.must:
            if not seen & group:
                yield f"answered {sorted(seen)}, without {' or '.join(sorted(group))}: {self.why}"
        if extra := seen - self.may.union(*self.must):
            yield f"answered {', '.join(sorted(extra))}, which is not right here: {self.why}"


def expected(attack: str, host: str) -> Expected:
    """What an attack may get from a host."""
    return _ON_GRPC_AIO.get(attack, _RIGHT[attack]) if host == GRPC_AIO else _RIGHT[attack]


def _right(*must: str, may: str = "", why: str) -> Expected:
    """`A|B` is one or the other."""
    groups = tuple(frozenset(group.split("|")) for group in must)
    return Expected(groups, frozenset(may.split("|")) if may else frozenset(), why)


def _hangs_up(*codes: str, why: str, may: str = "") -> Expected:
    """The connection ends. A GOAWAY says why, which the peer does not get to see when it was still sending: TCP drops
    what it has not read yet."""
    said = "|".join(f"GOAWAY {code}" for code in codes)
    return _right("closed", may="|".join(filter(None, (said, may))), why=why)


_BROKEN = "RFC 9113 5.4.1: an error of the connection, which ends with GOAWAY"
_NOT_HTTP2 = "RFC 9113 3.4: an invalid preface is an error of the connection"
_ALLOWED = "allowed by RFC 9113, however many there are: cheap, or the connection of the one who does it ends"
_CALM = "RFC 9113 10.5: who sends too much of what costs him nothing may be sent away"
_SIZES = "RFC 9113 4.2"
_FIELD = "the caller's fault, and INTERNAL would be ours (docs/errors.md)"
_TOO_LARGE = "refused by its prefix, before there is anything to hold"
_CARDINALITY = "gRPC's statuscodes.md has UNIMPLEMENTED for it, our own errors INVALID_ARGUMENT"
_FREED = "what waits for a peer that does not take it is freed at the call's deadline"
_CALL_ONLY = "a call that is wrong must not end the calls of everybody behind the same gateway"

_RIGHT: dict[str, Expected] = {
    # Connections.
    "connections_that_say_nothing": _right("closed|open", why="closed in the end, not held open for good"),
    "connections_with_half_a_preface": _right("closed|open", why="closed in the end, not held open for good"),
    "connections_with_half_a_frame": _right("closed|open", why="closed in the end, not held open for good"),
    "connections_that_come_and_go": _right("gone", why="nobody is left to tell"),
    "http_1_requests": _hangs_up("PROTOCOL_ERROR", may="HTTP/1.1 400|HTTP/1.1 426|HTTP/1.1 505", why=_NOT_HTTP2),
    "an_upgrade_to_h2c": _hangs_up("PROTOCOL_ERROR", may="HTTP/1.1 400|HTTP/1.1 426|HTTP/1.1 505", why=_NOT_HTTP2),
    "a_tls_hello": _hangs_up("PROTOCOL_ERROR", why=_NOT_HTTP2),
    "a_peer_that_closes_its_side": _right("closed", may="OK", why="gRPC's clients never do; answered or not, it ends"),
    # Framing.
    "random_bytes_instead_of_the_preface": _hangs_up("PROTOCOL_ERROR", why=_NOT_HTTP2),
    "random_bytes_after_the_preface": _hangs_up("FRAME_SIZE_ERROR", "PROTOCOL_ERROR", why=_BROKEN),
    "random_frames": _hangs_up("FRAME_SIZE_ERROR", "PROTOCOL_ERROR", "COMPRESSION_ERROR", why=_BROKEN),
    "truncated_frames": _right("gone", why="nobody is left to tell"),
    "frames_of_no_length": _hangs_up("FRAME_SIZE_ERROR", "PROTOCOL_ERROR", why=_SIZES),
    "frames_of_a_wrong_length": _hangs_up("FRAME_SIZE_ERROR", "PROTOCOL_ERROR", why=_SIZES),
    "a_frame_that_claims_16_mb": _hangs_up("FRAME_SIZE_ERROR", why=_SIZES),
    "a_frame_larger_than_the_server_takes": _hangs_up("FRAME_SIZE_ERROR", why=_SIZES),
    "padding_longer_than_its_frame": _hangs_up("PROTOCOL_ERROR", why="RFC 9113 6.1"),
    "settings_that_cannot_be": _hangs_up("PROTOCOL_ERROR", "FLOW_CONTROL_ERROR", why="RFC 9113 6.5.2"),
    "no_settings_after_the_preface": _right("OK|closed", may="alive|GOAWAY PROTOCOL_ERROR", why="RFC 9113 3.4"),
    "frames_on_streams_never_opened": _hangs_up("PROTOCOL_ERROR", why="RFC 9113 5.1: idle streams know only HEADERS"),
    "a_call_byte_by_byte": _right("OK", "alive", why="TCP has no messages"),
    # Header lists.
    "a_header_list_just_under_the_limit": _right(
        "OK", "alive", may="RESOURCE_EXHAUSTED|HTTP 431", why="served whole or refused, never with fields left out"
    ),
    "a_header_list_just_over_the_limit": _right(
        "RESOURCE_EXHAUSTED|HTTP 431", "alive", may="RST PROTOCOL_ERROR|RST ENHANCE_YOUR_CALM", why=_CALL_ONLY
    ),
    "a_header_list_of_a_megabyte": _right("RESOURCE_EXHAUSTED", may="alive|RST PROTOCOL_ERROR", why=_CALL_ONLY),
    "many_headers": _right(
        "RESOURCE_EXHAUSTED|HTTP 431|closed", may="alive|RST PROTOCOL_ERROR|GOAWAY ENHANCE_YOUR_CALM", why=_CALM
    ),
    "a_huge_path": _right(
        "UNIMPLEMENTED",
        "RESOURCE_EXHAUSTED|HTTP 431|HTTP 414|RST PROTOCOL_ERROR|closed",
        may="alive|GOAWAY ENHANCE_YOUR_CALM|GOAWAY COMPRESSION_ERROR",
        why="within the limit an unknown method like any other, beyond it too large",
    ),
    "hpack_bomb": _right(
        "RESOURCE_EXHAUSTED|HTTP 431|closed",
        may="alive|RST PROTOCOL_ERROR|GOAWAY ENHANCE_YOUR_CALM|GOAWAY COMPRESSION_ERROR",
        why="it is the size of the list that counts, not of the bytes that make it",
    ),
    "header_blocks_that_do_not_decode": _hangs_up(
        "COMPRESSION_ERROR", "PROTOCOL_ERROR", why="RFC 9113 4.3: the table is out of step for good"
    ),
    "malformed_requests": _right(
        "RST PROTOCOL_ERROR",
        may="alive|closed|GOAWAY PROTOCOL_ERROR|HTTP 400|HTTP 405|UNIMPLEMENTED",
        why="RFC 9113 8.1.1: malformed, never served; of the stream, or of the connection",
    ),
    # Messages.
    "a_message_that_claims_4_gib": _right("RESOURCE_EXHAUSTED|INVALID_ARGUMENT", "alive", why=_TOO_LARGE),
    "a_message_that_claims_4_gib_and_waits": _right("RESOURCE_EXHAUSTED|INVALID_ARGUMENT", "alive", why=_TOO_LARGE),
    "a_message_longer_than_its_length": _right("INVALID_ARGUMENT|UNIMPLEMENTED", "alive", why=_FIELD),
    "a_message_shorter_than_its_length": _right("INVALID_ARGUMENT", "alive", why=_FIELD),
    "no_message": _right("INVALID_ARGUMENT|UNIMPLEMENTED", "alive", why=_CARDINALITY),
    "two_messages": _right("INVALID_ARGUMENT|UNIMPLEMENTED", "alive", why=_CARDINALITY),
    "wrong_compression_flags": _right("INVALID_ARGUMENT", "alive", why=_FIELD),
    "compressed_without_an_encoding": _right("INVALID_ARGUMENT", "alive", may="INTERNAL", why="gRPC's compression.md"),
    "an_unknown_encoding": _right("UNIMPLEMENTED", "alive", why="gRPC's compression.md"),
    "garbage_as_gzip": _right("INVALID_ARGUMENT", "alive", why=_FIELD),
    "gzip_bomb": _right("RESOURCE_EXHAUSTED|INVALID_ARGUMENT", "alive", why="unpacked no further than the limit"),
    "a_message_over_the_limit": _right("RESOURCE_EXHAUSTED|INVALID_ARGUMENT", "alive", why="4 MiB, docs/errors.md"),
    "another_content_type": _right(
        "HTTP 415", "alive", may="HTTP 405|UNIMPLEMENTED|INTERNAL|UNKNOWN", why="gRPC's PROTOCOL-HTTP2.md"
    ),
    # Floods.
    "one_message_in_tiny_frames": _right("OK|closed", may="alive|GOAWAY ENHANCE_YOUR_CALM", why=_CALM),
    "empty_data_frames": _right("OK|closed", may="alive|GOAWAY ENHANCE_YOUR_CALM", why=_CALM),
    "padded_data_frames": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_CALM),
    "window_updates_of_one": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_ALLOWED),
    "pings": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_ALLOWED),
    "settings": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_ALLOWED),
    "acknowledgements_of_nothing": _right(
        "alive|closed", may="GOAWAY ENHANCE_YOUR_CALM|GOAWAY PROTOCOL_ERROR", why=_ALLOWED
    ),
    "priorities": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_ALLOWED),
    "frames_of_an_unknown_type": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why=_ALLOWED),
    "pings_whose_answers_are_not_read": _right(
        "alive|closed", may="stalled|GOAWAY ENHANCE_YOUR_CALM", why="who does not read is not read from"
    ),
    "settings_whose_answers_are_not_read": _right(
        "alive|closed", may="stalled|GOAWAY ENHANCE_YOUR_CALM", why="who does not read is not read from"
    ),
    "rapid_resets": _right("alive|closed", may="GOAWAY ENHANCE_YOUR_CALM", why="CVE-2023-44487"),
    "a_burst_of_cancels": _right("OK", "alive", why="what a gateway does on an ordinary bad day"),
    "resets_made_by_the_server": _right(
        "alive|closed",
        may="GOAWAY ENHANCE_YOUR_CALM|GOAWAY PROTOCOL_ERROR|RST FLOW_CONTROL_ERROR|RST PROTOCOL_ERROR|RST STREAM_CLOSED"
        "|RST REFUSED_STREAM|INVALID_ARGUMENT|UNIMPLEMENTED",
        why="CVE-2025-8671: a peer that only makes errors is sent away, or costs no more than its errors",
    ),
    "a_reset_right_after_the_end": _right("alive", why="a caller that gave up, at the worst moment"),
    "endless_continuation": _hangs_up("ENHANCE_YOUR_CALM", "PROTOCOL_ERROR", "COMPRESSION_ERROR", why="CVE-2024-27316"),
    # Streams.
    "stream_ids_that_cannot_be": _hangs_up("PROTOCOL_ERROR", "STREAM_CLOSED", may="OK", why="RFC 9113 5.1.1"),
    "a_stream_that_depends_on_itself": _right(
        "RST PROTOCOL_ERROR", "alive", why="RFC 9113 5.3.1, or ignored as deprecated"
    ),
    "data_on_closed_streams": _right(
        "RST STREAM_CLOSED|closed",
        may="OK|alive|GOAWAY STREAM_CLOSED|GOAWAY PROTOCOL_ERROR|GOAWAY ENHANCE_YOUR_CALM",
        why="RFC 9113 5.1",
    ),
    "headers_on_a_stream_that_has_ended": _right(
        "RST PROTOCOL_ERROR|RST STREAM_CLOSED|closed",
        may="OK|alive|GOAWAY STREAM_CLOSED|GOAWAY PROTOCOL_ERROR",
        why="RFC 9113 5.1",
    ),
    "trailers_from_the_client": _right("OK", "RST PROTOCOL_ERROR", "alive", why="RFC 9113 8.1"),
    "goaway_midway": _right(
        "OK", "gone", may="GOAWAY NO_ERROR", why="RFC 9113 6.8: it stops new streams, not this one"
    ),
    "streams_never_finished": _right("OK", "alive", "RST REFUSED_STREAM", why="RFC 9113 5.1.2"),
    "a_burst_of_small_messages": _right("OK", "alive", why="what a stream of scores looks like"),
    # Windows.
    "a_window_never_opened": _right("DEADLINE_EXCEEDED|RST CANCEL", "alive", why=_FREED),
    "a_connection_window_never_opened": _right("DEADLINE_EXCEEDED|RST CANCEL", "alive", may="OK", why=_FREED),
    "a_reader_that_stops": _right("DEADLINE_EXCEEDED|RST CANCEL|closed", may="OK|alive|stalled", why=_FREED),
    "a_reader_that_never_comes_back": _right("closed|open", why="let go in the end, not waited for"),
    "small_answers_never_read": _right(
        "alive|closed",
        may="OK|stalled|RST REFUSED_STREAM|RST STREAM_CLOSED|GOAWAY ENHANCE_YOUR_CALM|DEADLINE_EXCEEDED|RST CANCEL",
        why="who does not read is not read from",
    ),
    "a_window_of_one_byte_at_a_time": _right("alive", why=_ALLOWED),
    "windows_that_open_and_shut": _right("DEADLINE_EXCEEDED|RST CANCEL|OK", "alive", why=_ALLOWED),
    "windows_that_overflow": _right(
        "closed",
        may="alive|GOAWAY FLOW_CONTROL_ERROR|GOAWAY PROTOCOL_ERROR|RST FLOW_CONTROL_ERROR|RST PROTOCOL_ERROR",
        why="RFC 9113 6.9.1: of the stream or of the connection, as the window is",
    ),
}

_LENIENT = "gRPC's core lets it pass; nobody else is hurt"
_BARE = "gRPC's core answers by itself before any code of ours sees the call"
_SYNTHETIC = "gRPC's core writes a status for the calls of a connection that it ends"

_ON_GRPC_AIO: dict[str, Expected] = {
    "connections_with_half_a_frame": _right("closed|open|open after 90 s", why=_LENIENT),
    "a_peer_that_closes_its_side": _right("closed", may="OK|UNAVAILABLE", why=_SYNTHETIC),
    "random_frames": _hangs_up(may="UNAVAILABLE|INTERNAL", why=_SYNTHETIC),
    "frames_of_no_length": _hangs_up(may="alive", why="an empty GOAWAY is taken for one"),
    "a_frame_larger_than_the_server_takes": _hangs_up(may="UNAVAILABLE", why=_SYNTHETIC),
    "padding_longer_than_its_frame": _right("closed", may="INTERNAL|RST PROTOCOL_ERROR|alive", why=_SYNTHETIC),
    "frames_on_streams_never_opened": _right("closed", may="alive", why=_LENIENT),
    "a_header_list_just_under_the_limit": _right(
        "OK|RESOURCE_EXHAUSTED", "alive", why="refuses some lists from its soft limit on, half of what it announces"
    ),
    "a_header_list_of_a_megabyte": _right("RESOURCE_EXHAUSTED", "alive", why=_LENIENT),
    "header_blocks_that_do_not_decode": _right("closed", may="INTERNAL", why=_SYNTHETIC),
    "malformed_requests": _right(
        "INTERNAL",
        "alive",
        may="OK|UNIMPLEMENTED|RST INTERNAL_ERROR|RST PROTOCOL_ERROR|DEADLINE_EXCEEDED|closed",
        why=_LENIENT,
    ),
    "a_message_shorter_than_its_length": _right("DEADLINE_EXCEEDED", "alive", why="waits for the rest: " + _BARE),
    "no_message": _right("DEADLINE_EXCEEDED", "alive", why="waits for a message: " + _BARE),
    "two_messages": _right("OK", "alive", why=_LENIENT),
    "compressed_without_an_encoding": _right("INTERNAL", "alive", why=_BARE),
    "an_unknown_encoding": _right("INTERNAL|UNIMPLEMENTED", "alive", why=_BARE),
    "garbage_as_gzip": _right("INTERNAL", "alive", may="INVALID_ARGUMENT", why=_BARE),
    "another_content_type": _right("DEADLINE_EXCEEDED", "alive", may="HTTP 415|RST INTERNAL_ERROR", why=_BARE),
    "empty_data_frames": _right("OK|closed", may="alive|UNAVAILABLE", why=_SYNTHETIC),
    "padded_data_frames": _right("alive", may="RST PROTOCOL_ERROR", why="knows no padding"),
    "resets_made_by_the_server": _right(
        "closed|alive",
        may="UNAVAILABLE|INTERNAL|OK|INVALID_ARGUMENT|CANCELLED|DEADLINE_EXCEEDED|RST FLOW_CONTROL_ERROR",
        why=_LENIENT,
    ),
    "stream_ids_that_cannot_be": _right("alive", may="OK", why=_LENIENT),
    "a_stream_that_depends_on_itself": _right("alive", may="OK", why=_LENIENT),
    "data_on_closed_streams": _right("alive", may="OK", why=_LENIENT),
    "headers_on_a_stream_that_has_ended": _right("alive", may="OK", why=_LENIENT),
    "trailers_from_the_client": _right("OK", may="alive|closed|UNAVAILABLE", why=_SYNTHETIC),
    "streams_never_finished": _right("OK", "alive", may="CANCELLED", why="has no limit of streams"),
    "small_answers_never_read": _right("alive|closed", may="OK|stalled|CANCELLED|DEADLINE_EXCEEDED", why=_LENIENT),
    "a_reader_that_never_comes_back": _right("closed|open|open after 60 s", why=_LENIENT),
    "wrong_compression_flags": _right("INVALID_ARGUMENT|DEADLINE_EXCEEDED", "alive", why=_BARE),
    "endless_continuation": _hangs_up(may="RESOURCE_EXHAUSTED|RST INTERNAL_ERROR", why=_SYNTHETIC),
    "windows_that_overflow": _right("closed", may="alive|UNAVAILABLE", why=_SYNTHETIC),
}
