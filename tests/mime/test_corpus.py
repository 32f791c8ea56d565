"""Golden pairs: corpus/NAME.eml has exactly NAME.envelope and NAME.structure (corpus/README)."""

import pytest

from opostd.mime.facts import facts
from opostd.mime.scan import scan, unpack
from opostd.model.ids import PostId
from tests.mime.differences import CORPUS, read_known
from tests.mime.imap_octets import check_bodystructure, check_envelope

NAMES = sorted(path.stem for path in CORPUS.glob("*.eml"))
ID = PostId(bytes(16))


def message(name: str) -> bytes:
    return (CORPUS / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n")


def test_the_corpus_is_there() -> None:
    assert len(NAMES) > 190


def test_each_difference_to_dovecot_has_its_reason() -> None:
    reasons, listed = read_known()
    assert set(listed.values()) <= reasons.keys()
    assert {name for name, _ in listed} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_envelope_and_structure(name: str) -> None:
    found = facts(message(name), id=ID, now=0)
    assert found.envelope + b"\n" == (CORPUS / f"{name}.envelope").read_bytes()
    assert found.bodystructure + b"\n" == (CORPUS / f"{name}.structure").read_bytes()
    check_envelope(found.envelope)
    check_bodystructure(found.bodystructure, extended=True)
    check_bodystructure(found.body, extended=False)


@pytest.mark.parametrize("name", NAMES)
def test_packed(name: str) -> None:
    raw = message(name)
    assert unpack(facts(raw, id=ID, now=0).parts) == scan(raw)


def write() -> None:
    """Writes what comes out as what is expected."""
    for name in NAMES:
        found = facts(message(name), id=ID, now=0)
        (CORPUS / f"{name}.envelope").write_bytes(found.envelope + b"\n")
        (CORPUS / f"{name}.structure").write_bytes(found.bodystructure + b"\n")


if __name__ == "__main__":
    write()
