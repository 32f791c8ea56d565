"""Octets with a charset's name -> text, for headers (RFC 2047) and bodies (RFC 2045 5).

Only names of the table reach ``bytes.decode``: Python's codecs also answer to ``rot13``, ``zlib``, ``idna`` or
``unicode_escape``, which are no charsets.  Text that comes out has no NUL, no lone surrogate and no other control
character, so that every database, log line and page can take it.
"""

import re

# The charsets of IANA's registry that mail is written in, by the names Python's decoders know.
_CODECS = (
    "utf-8 utf-7 utf-16 utf-16-be utf-16-le utf-32 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 "
    "cp874 cp437 cp850 cp852 cp855 cp858 cp862 cp866 koi8-r koi8-u koi8-t mac-roman mac-cyrillic mac-latin2 tis-620 "
    "gb2312 gbk gb18030 hz big5 big5hkscs euc-jp shift_jis cp932 iso2022_jp iso2022_jp_1 iso2022_jp_2 euc-kr cp949 "
    "iso2022_kr johab iso8859_1 iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 "
    "iso8859_10 iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16"
).split()
_OTHER_NAMES = {
    "ascii": "utf-8",  # what calls itself US-ASCII and is not is mostly UTF-8
    "usascii": "utf-8",
    "ansix341968": "utf-8",
    "utf8": "utf-8",
    "unicode11utf8": "utf-8",
    "unicode11utf7": "utf-7",
    "latin1": "cp1252",  # WHATWG Encoding: what calls itself latin-1 has Windows' quotes in 0x80-0x9f
    "iso88591": "cp1252",
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "latin2": "iso8859_2",
    "latin9": "iso8859_15",
    "macintosh": "mac-roman",
    "ksc56011987": "cp949",
    "euckr": "cp949",
    "gb2312": "gb18030",  # a superset, and what its writers mean
    "gbk": "gb18030",
    "cp936": "gb18030",
    "xgbk": "gb18030",
    "shiftjis": "cp932",
    "sjis": "cp932",
    "xsjis": "cp932",
    "windows31j": "cp932",
    "iso2022jp": "iso2022_jp_2",
    "hzgb2312": "hz",
    "big5hkscs": "big5hkscs",
    "tis620": "tis-620",
    "windows874": "cp874",
}
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_TABLE: dict[str, str] = {}
for _codec in _CODECS:
    _name = _SEPARATORS.sub("", _codec.replace("_", ""))
    _TABLE[_name] = _codec
    if _name.startswith("cp"):
        _TABLE |= {"windows" + _name[2:]: _codec, "ibm" + _name[2:]: _codec, "x" + _name: _codec}
_TABLE |= _OTHER_NAMES

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
_LINE_SPACE = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_ASCII_CONTROLS = bytes({*range(32), 127} - {9, 10})
MAX_NAME = 40  # octets of a charset's name; the longest registered one in use is shorter


def codec_of(charset: str) -> str | None:
    """The name of Python's decoder for a charset, or None where it is unknown or not allowed."""
    if len(charset) > MAX_NAME:
        return None
    return _TABLE.get(_SEPARATORS.sub("", charset.lower()))


def decode(octets: bytes, charset: str) -> str:
    """The text; what does not decode becomes U+FFFD.  An unknown charset is ``guess``-ed.  May hold controls."""
    codec = codec_of(charset) if charset else "utf-8"
    if codec is None or codec == "utf-8":
        return guess(octets)
    try:
        return octets.decode(codec, "replace")
    except (UnicodeError, ValueError):  # some decoders raise on their own terms in spite of "replace"
        return octets.decode("latin-1")


def guess(octets: bytes) -> str:
    """UTF-8 where it is valid, else latin-1: raw octets whose charset nobody told."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def is_utf8(octets: bytes) -> bool:
    """Whether all of it is well-formed UTF-8 (RFC 3629)."""
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def clean_line(text: str) -> str:
    """One line: line ends and tabs become one space, other controls and reordering marks (RLO) U+FFFD."""
    if text.isprintable():  # nothing of both patterns is
        return text
    return _CONTROL.sub("\ufffd", _LINE_SPACE.sub(" ", text))


def clean_lines(text: str) -> str:
    """Text of a body: line ends are ``\\n``, tabs stay, other controls become U+FFFD."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text.isascii():  # most text, and to be told much faster than by a pattern
        octets = text.encode("ascii")
        if len(octets.translate(None, _ASCII_CONTROLS)) == len(octets):
            return text
    elif text.replace("\n", "").replace("\t", "").isprintable():  # nothing of _CONTROL is printable
        return text
    return _CONTROL.sub("\ufffd", text)
