"""i;unicode-casemap (RFC 5051), the collation of SEARCH, SORT and THREAD (RFC 5255 4.4): texts as they are compared.

Each code point is titlecased by its simple mapping, then decomposed (NFKD).  Equality, substring and order are those
of what comes out.
"""

import re
import unicodedata

# Where ``str.upper`` gives another character than the simple titlecase mapping of UnicodeData.txt: what becomes
# several (SpecialCasing.txt), letters that are two in one, and Georgian.  A test compares all code points.
_ODD = (
    "\u00df\u0149\u01c4-\u01cc\u01f0-\u01f3\u0390\u03b0\u0587\u10d0-\u10fa\u10fd-\u10ff\u1e96-\u1e9a\u1f50\u1f52\u1f54"
    "\u1f56\u1f80-\u1faf\u1fb2-\u1fb4\u1fb6-\u1fb7\u1fbc\u1fc2-\u1fc4\u1fc6-\u1fc7\u1fcc\u1fd2-\u1fd3\u1fd6-\u1fd7"
    "\u1fe2-\u1fe4\u1fe6-\u1fe7\u1ff2-\u1ff4\u1ff6-\u1ff7\u1ffc\ufb00-\ufb06\ufb13-\ufb17"
)
# What the UTF-8 of each of them has in it: to look for octets takes a fraction of the pattern's time.
_ODD_OCTETS = (b"\xc5\x89", b"\xc7", b"\xce\x90", b"\xce\xb0", b"\xd6\x87", b"\xe1", b"\xef\xac")
_PIECE = 32 * 1024  # characters: one call for a million holds Python's lock for 30 ms
_SHARP_S = "\u00df"
_RUN = re.compile(f"[{_ODD}]+|[^{_ODD}]++")
_IS_ODD = re.compile(f"[{_ODD}]")


def casemap(text: str) -> str:
    """The text as it is compared.  At most 18 times as long, where it consists of one Arabic ligature."""
    if text.isascii():
        return text.upper()
    if len(text) <= _PIECE:
        return _casemap(text)
    pieces, at = [], 0
    while at < len(text):  # at a line end, which nothing behind it is joined with
        end = text.find("\n", at + _PIECE)
        end = len(text) if end < 0 else end
        pieces.append(_casemap(text[at:end]))
        at = end
    return "".join(pieces)


def _casemap(text: str) -> str:
    octets = text.encode("utf-8", "surrogatepass")
    if _may_be_odd(octets):
        upper = text.upper() if _IS_ODD.search(text) is None else _RUN.sub(_title, text)
    else:  # what is written in Europe has no other than this one
        upper = text.upper() if _SHARP_S not in text else _SHARP_S.join([each.upper() for each in text.split(_SHARP_S)])
    return unicodedata.normalize("NFKD", upper)


def _may_be_odd(octets: bytes) -> bool:
    # A generator would cost three times as much for a short text.
    for each in _ODD_OCTETS:
        if each in octets:
            return True
    return False


def _title(run: re.Match[str]) -> str:
    if _IS_ODD.match(run[0]) is None:
        return run[0].upper()
    return "".join([title if len(title := char.title()) == 1 else char for char in run[0]])
