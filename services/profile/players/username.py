"""What a username may be: RFC 8266's rules for nicknames, the case kept.

Names are shown to people, in every script, and compared exactly. So two names that look the same must be the same:
nothing invisible, nothing that turns the direction of text, and only the one form that Unicode holds to be the plain
one (NFKC). A name that would have to be changed is refused and not changed, so that what a player typed is what they
are called.
"""

import unicodedata

from precis_i18n import get_profile

from shared.contract import fields
from shared.contract.errors import FieldInvalid

LONGEST = 32

_NICKNAME = get_profile("NicknameCasePreserved")


def checked(value: str, field: str) -> str:
    """The username. Raises FieldInvalid, which names the code point that may not be, or the form to send instead."""
    fields.text(value, field, LONGEST)
    if value.isascii() and "  " not in value:
        # `text` has refused all that the rules have against ASCII but this.
        return value
    try:
        plain = _NICKNAME.enforce(value)
    except UnicodeEncodeError as error:
        character = _given(value, error.object[error.start])
        raise FieldInvalid(
            field,
            f"must not contain {_named(character)} here (invisible, unassigned, or out of its context: RFC 8264)",
        ) from error
    if plain != value:
        raise FieldInvalid(field, f"must be in its plain form (NFKC, single ASCII spaces), which is {plain!r}")
    return value


def _given(value: str, character: str) -> str:
    """The character of `value` that normalization has made into `character`."""
    return next((given for given in value if character in unicodedata.normalize("NFKC", given)), character)


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '(unassigned)')}"
