"""A second reader of ENVELOPE and BODYSTRUCTURE: the grammar of RFC 9051 9, written apart from what makes them."""

import re

Value = bytes | int | None | list["Value"]

_TOKEN = re.compile(rb'\(|\)| |NIL|[0-9]+|"(?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*"')


def parse(octets: bytes) -> Value:
    """Lists, numbers, NIL and quoted strings; where spaces stand is checked: between items, but not between lists."""
    stack: list[list[Value]] = [[]]
    at = 0
    spaced = True
    while at < len(octets):
        match = _TOKEN.match(octets, at)
        assert match, octets[at : at + 40]
        at, text = match.end(), match[0]
        if text == b" ":
            assert not spaced
            spaced = True
            continue
        if text == b"(":
            assert spaced or (stack[-1] and isinstance(stack[-1][-1], list))
            stack.append([])
            spaced = True
            continue
        if text == b")":
            assert not spaced or not stack[-1]
            whole = stack.pop()
            assert whole, "no empty list in this grammar"
            stack[-1].append(whole)
        else:
            assert spaced
            if text == b"NIL":
                stack[-1].append(None)
            elif text.isdigit():
                stack[-1].append(int(text))
            else:
                stack[-1].append(re.sub(rb"\\(.)", rb"\1", text[1:-1]))
        spaced = False
    assert len(stack) == 1
    assert len(stack[0]) == 1
    return stack[0][0]


def check_envelope(octets: bytes) -> None:
    _envelope(parse(octets))


def check_bodystructure(octets: bytes, *, extended: bool) -> None:
    _body(parse(octets), extended)


def _nstring(value: Value) -> None:
    assert value is None or isinstance(value, bytes)


def _envelope(value: Value) -> None:
    assert isinstance(value, list)
    assert len(value) == 10
    for place in (0, 1, 8, 9):
        _nstring(value[place])
    for place in range(2, 8):
        entries = value[place]
        if entries is None:
            continue
        assert isinstance(entries, list)
        group = False
        for entry in entries:
            assert isinstance(entry, list)
            assert len(entry) == 4
            for each in entry:
                _nstring(each)
            if entry[3] is None:
                assert entry[0] is None
                assert entry[1] is None
                assert group is (entry[2] is None), "groups begin and end, and are not nested"
                group = not group
            else:
                assert entry[2]
                assert entry[3]
        assert not group


def _params(value: Value) -> None:
    assert value is None or (isinstance(value, list) and len(value) % 2 == 0)
    for each in value or ():
        assert isinstance(each, bytes)


def _extension(rest: list[Value]) -> None:
    disposition, language, location = rest
    if disposition is not None:
        assert isinstance(disposition, list)
        assert len(disposition) == 2
        assert isinstance(disposition[0], bytes)
        _params(disposition[1])
    assert language is None or isinstance(language, bytes) or all(isinstance(tag, bytes) for tag in language)  # type: ignore[union-attr]
    _nstring(location)


def _body(whole: Value, extended: bool) -> None:
    left = [whole]
    while left:
        value = left.pop()
        assert isinstance(value, list)
        if isinstance(value[0], list):
            parts = next(at for at, each in enumerate(value) if not isinstance(each, list))
            left += value[:parts]
            assert isinstance(value[parts], bytes)
            rest = value[parts + 1 :]
            if extended:
                _params(rest[0])
                _extension(rest[1:])
            else:
                assert not rest
            continue
        type_, subtype, params, id_, description, encoding, size, *rest = value
        assert isinstance(type_, bytes)
        assert type_
        assert isinstance(subtype, bytes)
        assert subtype
        assert type_.lower() != b"multipart"
        _params(params)
        _nstring(id_)
        _nstring(description)
        assert isinstance(encoding, bytes)
        assert isinstance(size, int)
        if type_.lower() == b"message" and subtype.lower() in (b"rfc822", b"global"):
            _envelope(rest[0])
            left.append(rest[1])
            assert isinstance(rest[2], int)
            rest = rest[3:]
        elif type_.lower() == b"text":
            assert isinstance(rest[0], int)
            rest = rest[1:]
        if extended:
            _nstring(rest[0])
            _extension(rest[1:])
        else:
            assert not rest
