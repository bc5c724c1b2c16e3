"""Values that programs stumble over: the ends of every range, and what lies just beyond them."""

import random
import uuid

_SIZES = (31, 32, 33, 50, 51, 64, 65, 100, 101, 128, 129, 200, 254, 255)
_FILLS = ("x", "é", "\u65e5", "\U0001f3c6")
_LIMITS = (199, 200, 201, 499, 500, 501, 999, 1000, 1001)

_POWERS = (2**31, 2**53, 2**63)
_AROUND = [sign * (power + step) for power in _POWERS for sign in (1, -1) for step in (-1, 0, 1)]
_INTEGERS = sorted({0, 1, -1, *_LIMITS, *_AROUND})

_TEXTS = (
    "", " ", "x", " x", "x ", "a  b", "\0", "a\0b", "a\nb", "\r\n", "\t", "\x1f", "\x7f", "\x85", "\u00a0",
    "\u2028", "\u2029", "\u200b", "a\u200bb", "\u202eada", "a\u2066b", "\ufeffa", "\u00ad", "e\u0301", "\u212b",
    "\ufb01", "\uff41", "\u0130", "\u1100\u1161", "\u3164", "\ue000", "\uffff", "\U0010ffff", "\U000e0041",
    "\U0001f3c6", "\U0001f3c6" * 8, "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "'; DROP TABLE players; --", '"', "\\", "\\u0000", "%s%n", "%(player_id)s", "$1", "{0}", "{}", "[]", "null", "NaN",
    "-0", "1e999", "../../etc/passwd", "<script>", "*", "a:b", "{a}", "a}b",
)  # fmt: skip

_EMAILS = (
    "@", "a@", "@b", "a@b", "a b@c", "a@b@c", "A@B", "x" * 248 + "@ab.cd", "x" * 249 + "@ab.cd", "é@é", "a@\u200b",
)  # fmt: skip

_TOKENS = ("x", "AAAA", "bm90IGEgdG9rZW4", "=", "é", "A" * 1024, "A" * 100_000, "\0", "../..")

DOUBLES = (0.0, -0.0, 1.5, float("nan"), float("inf"), float("-inf"), 1.8e308, 5e-324, 2.0**53 + 2, -(2.0**63), 1e17)
SECONDS = (0, 1, -1, -62_135_596_800, -62_135_596_801, 253_402_300_799, 253_402_300_800, 2**63 - 1, -(2**63))
NANOS = (0, 1, 999, 999_999_999, 1_000_000_000, -1, 2**31 - 1, -(2**31))
ENUMS = (0, 1, 2, 99, -1, 2**31 - 1, -(2**31))
DEPTHS = (15, 16, 17, 30, 33, 50, 100)
COUNTS = (0, 1, 2, 2, 3, 100, 300, 300, 300, *_LIMITS)

MASKS: tuple[list[str], ...] = (
    [], [""], ["*"], ["username", "username"], ["coins"], ["player_id"], ["etag"], ["player.username"],
    ["attributes.a"], ["Username"], ["username,email"], ["\0"], ["é" * 16_000], ["x" * 100_000], ["mmr"] * 2_000,
)  # fmt: skip


def integer(rng: random.Random, least: int, most: int) -> int:
    """Within the range of the field's type."""
    return rng.choice([number for number in _INTEGERS if least <= number <= most])


def text(rng: random.Random, name: str) -> str:
    """For a field of that name."""
    kind = rng.random()
    if kind < 0.3 and name.endswith(("_id", "_ids")):
        return _no_uuid(rng)
    if kind < 0.4 and name == "email":
        return rng.choice(_EMAILS)
    if kind < 0.4 and name == "page_token":
        return rng.choice(_TOKENS)
    if kind < 0.7:
        return rng.choice(_TEXTS)
    if kind < 0.95:
        return rng.choice(_FILLS) * rng.choice(_SIZES)
    return rng.choice(_FILLS) * rng.choice((1_000, 16_000, 100_000, 400_000))


def _no_uuid(rng: random.Random) -> str:
    """Mostly no UUID, or one that nobody has."""
    whole = str(uuid.uuid4())
    return rng.choice(
        (
            whole, whole.upper(), whole.replace("-", ""), f"{{{whole}}}", f"{whole}\n", f" {whole}", whole[:-1],
            f"{whole}0", f"urn:uuid:{whole}", str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1)), f"{whole[:-1]}g",
            whole.replace("-", "\u2010"), whole[:-1] + "\u0663",
        )
    )  # fmt: skip
