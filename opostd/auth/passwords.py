"""Passwords at rest: argon2id, with its parameters in the text (RFC 9106 4, second choice: 64 MiB, 3 passes, 4 lanes).

One check costs about a tenth of a second and 64 MiB, so it never runs on the loop and at most four run at once: see
``login``.  A password is prepared as an OpaqueString (RFC 8265 4.2: other spaces become U+0020, then NFC, nothing is
folded): the same word typed on two keyboards is one password.  RFC 8265 replaces SASLprep (RFC 4013), and unlike NFKC
it does not make different passwords equal.
"""

import unicodedata

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from opostd.model.errors import BadPassword

MAX_OCTETS = 1024  # security.md 1.4: a longer one is a load, not a password

_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4, hash_len=32, salt_len=16, type=Type.ID)

DUMMY_SECRET = "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"  # noqa: S105
"""What an unknown name is checked against: no password has it, and saying so takes as long as for a real one."""


def prepare(text: str) -> str:
    """The password as it is hashed (RFC 8265 4.2.2).  Raises BadPassword: empty, too long, control characters."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in text)
    prepared = unicodedata.normalize("NFC", spaced)
    # Cc controls, Cs lone halves of a pair, Cn not a character yet.
    if not prepared or any(unicodedata.category(each) in ("Cc", "Cs", "Cn") for each in prepared):
        raise BadPassword("a password has at least one character, and no control characters")
    if len(prepared.encode()) > MAX_OCTETS:
        raise BadPassword(f"a password has {MAX_OCTETS} octets at most")
    return prepared


def hash_password(text: str) -> str:
    """The argon2id string to store, with a salt of its own.  Takes a tenth of a second.  Raises BadPassword."""
    return _HASHER.hash(prepare(text))


def verify(secret: str | None, password: str) -> bool:
    """Whether the password is that of the stored string.  Takes as long for None, and for what cannot be a password.

    secret: what ``hash_password`` returned, with whatever parameters; None is no login at all.
    """
    try:
        prepared = prepare(password)
    except BadPassword:
        prepared, secret = "-", None
    try:
        return _HASHER.verify(DUMMY_SECRET if secret is None else secret, prepared) and secret is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(secret: str) -> bool:
    """Whether the string was made with weaker or other parameters than ``hash_password`` uses now."""
    try:
        return _HASHER.check_needs_rehash(secret)
    except InvalidHashError:
        return True
