"""Where a host is known not to do what test_protocol.py asks for."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """What a host does instead. `tests` are names of tests, with * and ?."""

    tests: str
    instead: str
    left_out: bool = False
    """The test would wait in vain, or pass now and then; all others are run, and must fail."""


DIFFERENCES: dict[str, tuple[Difference, ...]] = {
    "httpunk": (Difference("test_binary_metadata_that_is_not_base64", "leaves the value out, and answers the call"),),
    "grpc_aio": (
        Difference("test_other_content_types*", "takes any content type"),
        Difference("test_json_messages", "takes any content type"),
        Difference("test_te_may_be_missing", "resets the stream"),
        Difference("test_only_post*", "resets the stream"),
        Difference("test_padding_and_empty_frames", "knows no padding, and resets the stream"),
        Difference("test_a_request_without_a_message*", "waits for the deadline", left_out=True),
        Difference("test_two_messages_where_one_is_due*", "answers the first one"),
        Difference("test_a_request_that_ends_within_a_message*Unary*", "waits for the deadline", left_out=True),
        Difference("test_a_request_that_ends_within_a_message*Input*", "leaves the rest away"),
        Difference("test_a_flag_that_does_not_exist", "waits for the deadline", left_out=True),
        Difference("test_a_message_over_the_limit*4194305*", "reads on, to four times the limit", left_out=True),
        Difference("test_headers_over_the_limit*", "takes some of them", left_out=True),
        Difference("test_a_megabyte_of_headers*", "takes some of them", left_out=True),
        Difference("test_an_unknown_encoding", "answers INTERNAL"),
        Difference("test_a_compressed_request_that_is_broken*", "answers INTERNAL"),
        Difference("test_a_compressed_request_that_does_not_say_how*", "answers INTERNAL"),
        Difference("test_an_answer_is_compressed_only_for_who_can_read_it", "compresses all the same"),
        Difference("test_a_malformed_timeout*", "answers INTERNAL, or takes some"),
        Difference("test_joined_binary_metadata*", "knows no joined values, and answers INTERNAL"),
        Difference("test_binary_metadata_that_is_not_base64", "answers INTERNAL"),
    ),
}
