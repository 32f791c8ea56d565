"""reverse_path and forward_path: what is an address, and what only looks like one (RFC 5321 4.1.2, RFC 6531)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opostd.model.errors import BadAddress
from opostd.smtp.path import NULL, Path, forward_path, is_hello_name, reverse_path

GOOD = [
    ("<anna@opost.example>", Path("anna", "opost.example"), ""),
    ("<Anna+tag@Opost.Example> SIZE=1", Path("Anna+tag", "Opost.Example"), "SIZE=1"),
    ("<a.b.c@x>", Path("a.b.c", "x"), ""),
    ('<"anna"@x.example>', Path("anna", "x.example"), ""),
    ('<"an\\"na b"@x.example>', Path('an"na b', "x.example"), ""),
    ('<"a@b"@x.example>', Path("a@b", "x.example"), ""),
    ("<a%b@x.example>", Path("a%b", "x.example"), ""),
    ("<a@[192.0.2.1]>", Path("a", "[192.0.2.1]"), ""),
    ("<a@[IPv6:2001:db8::1]>", Path("a", "[IPv6:2001:db8::1]"), ""),
    ("<@a.example,@b.example:c@d.example>", Path("c", "d.example", odd=True), ""),
    ("<a@x.example.>", Path("a", "x.example", odd=True), ""),
    ("<jürgen@bücher.example>", Path("jürgen", "bücher.example"), ""),
    ("<会議@例え.example>  SMTPUTF8", Path("会議", "例え.example"), "SMTPUTF8"),
    ("<" + "a" * 64 + "@x>", Path("a" * 64, "x"), ""),
]

BAD = [
    "", "<", ">", "anna@x.example", "<anna@x.example", "<anna@>", "<@x.example>", "<anna@x.example>SIZE=1",
    "<a@b@x.example>", "<a..b@x>", "<.a@x>", "<a.@x>", "<a b@x>", "<a@x y>", "<a@-x>", "<a@x->", "<a@x..y>", "<a@x..>",
    "<a(comment)@x>", "<a@x(comment)>", "<a\t@x>", "<a\x01@x>", "<a@x\x7f>", "<a\u202eb@x>", "<a\u2028b@x>", "<a\x85b@x>",
    '<"a@x>', '<"a"b@x>', '<"">', '<""@x>', '<"a\\"@x>', "<<a@x>>", "<a@x>>", "<a@[192.0.2.1>", "<a@[]>", "<a@[a b]>",
    "<" + "a" * 65 + "@x>", "<a@" + ".".join(["b" * 60] * 5) + ">", "<" + "ü" * 33 + "@x>", "Anna <anna@x>", "<mailto:a@x>",
]  # fmt: skip


@pytest.mark.parametrize(("text", "path", "rest"), GOOD)
def test_good(text: str, path: Path, rest: str) -> None:
    assert reverse_path(text) == (path, rest)
    assert forward_path(text) == (path, rest)


@pytest.mark.parametrize("text", BAD)
def test_bad(text: str) -> None:
    with pytest.raises(BadAddress):
        reverse_path(text)
    with pytest.raises(BadAddress):
        forward_path(text)


def test_null_is_a_sender_only() -> None:
    assert reverse_path("<> BODY=8BITMIME") == (NULL, "BODY=8BITMIME")
    assert NULL.is_null
    assert NULL.address == ""
    with pytest.raises(BadAddress):
        forward_path("<>")
    with pytest.raises(BadAddress):
        reverse_path("<>x")


@pytest.mark.parametrize("name", ["postmaster", "Postmaster", "POSTMASTER", '"postmaster"'])
def test_postmaster_needs_no_domain_as_a_recipient(name: str) -> None:
    path, _ = forward_path(f"<{name}>")
    assert (path.local.lower(), path.domain) == ("postmaster", "")
    with pytest.raises(BadAddress):
        reverse_path(f"<{name}>")
    with pytest.raises(BadAddress):
        forward_path("<anna>")


@pytest.mark.parametrize(
    ("text", "address"),
    [("<anna@x>", "anna@x"), ('<"anna"@x>', "anna@x"), ('<"an na"@x>', '"an na"@x'), ('<"a\\"b"@x>', '"a\\"b"@x')],
)
def test_quoting_is_normalised(text: str, address: str) -> None:
    assert forward_path(text)[0].address == address


@pytest.mark.parametrize("text", ["<a%b@x>", "<b!a@x>", '<"a@b"@x>', "<@x:a@b>", "<a@x.>", '<"a%b"@x>'])
def test_relay_spellings(text: str) -> None:
    assert forward_path(text)[0].asks_for_relay


def test_plain_address_does_not_ask_for_relay() -> None:
    assert not forward_path("<anna+tag@x.example>")[0].asks_for_relay


@pytest.mark.parametrize("name", ["mail.example", "[192.0.2.1]", "[IPv6:::1]", "my_host", "localhost"])
def test_hello_names(name: str) -> None:
    assert is_hello_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a(b)", "a\x00", "a;b", "<a>", "é.example", "a" * 256, 'a"b', "a\n"])
def test_bad_hello_names(name: str) -> None:
    assert not is_hello_name(name)


@given(st.text(max_size=60))
def test_any_text_gives_a_path_or_bad_address(text: str) -> None:
    for candidate in (text, f"<{text}>", f"<{text}@x>"):
        for parse in (reverse_path, forward_path):
            try:
                path, _ = parse(candidate)
            except BadAddress:
                continue
            assert path.address.isprintable()
            if not path.odd and not path.is_null:
                assert parse(f"<{path.address}>")[0] == path


def test_long_hostile_text_is_refused_quickly() -> None:
    for text in ("<" + "a." * 100_000, "<a@" + "a-" * 100_000, '<"' + "\\a" * 100_000, "<@" + "a,@" * 100_000):
        with pytest.raises(BadAddress):
            forward_path(text)
