"""Which NO of Thunderbird's IMAP log any server must give."""

import pytest

from tests.clients.thunderbird import refusals

SENT = "2026-11-26 01:33:11.949557 UTC - [Parent 1: IMAP]: I/IMAP 7efc%s:localhost:S-Größe/Inside:SendData: %s"
HEARD = "2026-11-26 01:33:17.304896 UTC - [Parent 1: IMAP]: I/IMAP 7efc%s:localhost:A:CreateNewLineFromSocket: %s"
RENAME = SENT % ("a", '44 rename "Größe/Inside" "Trash/Inside"')


@pytest.mark.parametrize(
    ("lines", "expected", "others"),
    [
        ([RENAME, HEARD % ("a", "44 OK RENAME completed")], [], []),
        (
            [RENAME, SENT % ("b", '61 select "Größe/Inside"'), HEARD % ("b", "61 NO [NONEXISTENT] no such mailbox")],
            ['NO to select "Größe/Inside"'],
            [],
        ),
        # Before the name was given up, and of another connection's tag.
        (
            [SENT % ("b", '61 select "Größe/Inside"'), HEARD % ("b", "61 NO [NONEXISTENT] no"), RENAME],
            [],
            ['NO to select "Größe/Inside"'],
        ),
        (
            [RENAME, SENT % ("b", '61 select "Größe/Inside"'), HEARD % ("c", "61 NO [NONEXISTENT] no")],
            [],
            ["NO to ?"],
        ),
        (
            [RENAME, SENT % ("b", '61 select "Größe/Inside"'), HEARD % ("b", "61 BAD no")],
            [],
            ['BAD to select "Größe/Inside"'],
        ),
        (
            [RENAME, SENT % ("b", '61 select "Trash/Inside"'), HEARD % ("b", "61 NO [NONEXISTENT] no")],
            [],
            ['NO to select "Trash/Inside"'],
        ),
        ([SENT % ("b", '61 UID fetch 8 (FLAGS)'), HEARD % ("b", "* 5 FETCH (FLAGS (NO))")], [], []),
    ],
)  # fmt: skip
def test_refusals(lines: list[str], expected: list[str], others: list[str]) -> None:
    assert refusals("\n".join(lines)) == (expected, others)
