"""What is announced when (RFC 9051 6.1.1; RFC 3501 6.2.1, 6.2.3): announced if and only if it is there."""

from opostd.imap.commands.table import ROWS, ROWS_CAPABILITIES
from opostd.imap.extensions import EXTENSIONS, announced


def at(*, logged_in: bool, available: bool, active: bool, plaintext: bool) -> list[str]:
    return list(
        announced(
            logged_in=logged_in,
            tls_available=available,
            tls_active=active,
            plaintext_allowed=plaintext,
            append_limit=1000,
            rows=ROWS_CAPABILITIES,
        )
    )


ALWAYS = [
    *("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID", "ENABLE", "NAMESPACE", "IDLE", "UNSELECT", "UIDPLUS", "MOVE"),
    *(
        "CHILDREN",
        "INPROGRESS",
        "UIDBATCHES",
        "METADATA",
        "LIST-METADATA",
        "QUOTA",
        "QUOTA=RES-STORAGE",
        "QUOTA=RES-MESSAGE",
        "QUOTA=RES-MAILBOX",
    ),
    *("ACL", "RIGHTS=kxte", "LIST-MYRIGHTS"),
    *("ESEARCH", "MULTISEARCH", "SEARCHRES", "PARTIAL", "WITHIN", "I18NLEVEL=1"),
    *("SORT", "SORT=DISPLAY", "ESORT", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES"),
    *("CONDSTORE", "QRESYNC", "UIDONLY", "OBJECTID", "SAVEDATE", "STATUS=SIZE", "LIST-STATUS"),
    *("LIST-EXTENDED", "SPECIAL-USE", "CREATE-SPECIAL-USE", "APPENDLIMIT=1000"),
    *("MULTIAPPEND", "COMPRESS=DEFLATE", "BINARY", "NOTIFY", "PREVIEW", "UTF8=ACCEPT", "REPLACE", "CATENATE"),
]
LOGIN = ["AUTH=SCRAM-SHA-256", "AUTH=PLAIN", "AUTH=LOGIN", "SASL-IR"]


def test_before_tls() -> None:
    names = at(logged_in=False, available=True, active=False, plaintext=False)
    assert sorted(names) == sorted([*ALWAYS, "STARTTLS", "LOGINDISABLED", "SASL-IR"])
    assert names[0] == "IMAP4rev1"


def test_before_login() -> None:
    for available, active, plaintext in ((False, True, False), (True, True, False), (False, False, True)):
        names = at(logged_in=False, available=available, active=active, plaintext=plaintext)
        assert sorted(names) == sorted([*ALWAYS, *LOGIN])


def test_scram_where_there_are_keys_and_bound_where_there_is_tls() -> None:
    for scram, channel, expected in (
        (True, True, ["AUTH=SCRAM-SHA-256-PLUS", "AUTH=SCRAM-SHA-256"]),
        (True, False, ["AUTH=SCRAM-SHA-256"]),
        (False, True, []),
    ):
        names = announced(
            logged_in=False,
            tls_available=False,
            tls_active=True,
            plaintext_allowed=False,
            append_limit=1000,
            rows=ROWS_CAPABILITIES,
            scram=scram,
            channel_binding=channel,
        )
        assert [name for name in names if "SCRAM" in name] == expected


def test_plaintext_on_loopback_may_still_start_tls() -> None:
    names = at(logged_in=False, available=True, active=False, plaintext=True)
    assert sorted(names) == sorted([*ALWAYS, *LOGIN, "STARTTLS"])


def test_without_tls_there_is_no_login() -> None:
    names = at(logged_in=False, available=False, active=False, plaintext=False)
    assert sorted(names) == sorted([*ALWAYS, "LOGINDISABLED", "SASL-IR"])


def test_after_login() -> None:
    for available in (False, True):
        names = at(logged_in=True, available=available, active=not available, plaintext=True)
        assert sorted(names) == sorted([*ALWAYS, "UNAUTHENTICATE"])


def test_a_capability_of_commands_has_rows_and_a_row_has_its_capability() -> None:
    assert {each.capability for each in EXTENSIONS if each.of_commands} == ROWS_CAPABILITIES
    assert all(each.rfc for each in EXTENSIONS)


def test_without_its_rows_it_is_not_announced() -> None:
    names = announced(
        logged_in=True, tls_available=False, tls_active=True, plaintext_allowed=False, append_limit=1, rows=()
    )
    assert names == (
        "IMAP4rev1",
        "IMAP4rev2",
        "LITERAL+",
        "RIGHTS=kxte",
        "LIST-MYRIGHTS",
        "ESEARCH",
        "SEARCHRES",
        "PARTIAL",
        "WITHIN",
        "CONDSTORE",
        "QRESYNC",
        "UIDONLY",
        "OBJECTID",
        "SAVEDATE",
        "STATUS=SIZE",
        "LIST-STATUS",
        "SORT=DISPLAY",
        "ESORT",
        "THREAD=ORDEREDSUBJECT",
        "I18NLEVEL=1",
        "LIST-METADATA",
        "QUOTA=RES-STORAGE",
        "QUOTA=RES-MESSAGE",
        "QUOTA=RES-MAILBOX",
        "INPROGRESS",
        "CHILDREN",
        "SPECIAL-USE",
        "APPENDLIMIT=1",
        "BINARY",
        "CATENATE",
        "PREVIEW",
        "UTF8=ACCEPT",
    )


def test_every_command_of_rfc_3501_has_a_row() -> None:
    commands = (
        "CAPABILITY NOOP LOGOUT STARTTLS AUTHENTICATE LOGIN SELECT EXAMINE CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE "
        "LIST LSUB STATUS APPEND CHECK CLOSE EXPUNGE SEARCH FETCH STORE COPY"
    ).split()
    uid = ["UID COPY", "UID FETCH", "UID STORE", "UID SEARCH"]
    assert {row.name.decode() for row in ROWS} >= {*commands, *uid}
