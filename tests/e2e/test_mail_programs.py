"""Programs that keep mail in two places, over TLS they verify: each way there and back, and nothing refused in the log."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import PASSWORD, Person
from tests.e2e.mailbox import imap, subjects

MESSAGE = "From: a@elsewhere.example\r\nTo: b@opost.example\r\nSubject: {}\r\nDate: Tue, 2 Jan 2024 03:04:05 +0000\r\n\r\nText.\r\n"


def run(command: list[str], home: Path, text: str = "") -> str:
    """What a program says that must be there and succeed."""
    assert shutil.which(command[0]), f"{command[0]} is not installed; .ci/run does it"
    environ = {**os.environ, "HOME": str(home), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, env=environ)
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout + done.stderr


def put(person: Person, box: str, *names: str, flags: str = "") -> None:
    with imap(person.site, person.name) as client:
        for name in names:
            assert client.append(box, flags, None, MESSAGE.format(name).encode())[0] == "OK"


def flags_of(person: Person, box: str = "INBOX") -> dict[str, str]:
    """Subject -> flags."""
    with imap(person.site, person.name) as client:
        names = subjects(client, box)
        _, answer = client.fetch("1:*", "(FLAGS)") if names else ("OK", [])
        return dict(zip(names, [each.decode().partition("(FLAGS ")[2] for each in answer], strict=True))


OFFLINEIMAP = """
[general]
accounts = all
metadata = {home}/meta
[Account all]
utf8foldernames = yes
localrepository = local
remoterepository = remote
[Repository local]
type = Maildir
localfolders = {home}/mail
[Repository remote]
type = IMAP
remotehost = localhost
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = yes
sslcacertfile = {certificate}
{more}
"""


def in_maildir(folder: Path) -> dict[str, Path]:
    """Subject -> file."""
    found = {}
    for path in [*folder.glob("new/*"), *folder.glob("cur/*")]:
        subject = next(line for line in path.read_text().splitlines() if line.startswith("Subject: "))
        found[subject.removeprefix("Subject: ")] = path
    return found


@pytest.mark.parametrize("more", ["", "usecompression = yes", "maxconnections = 3\nsingleperfolder = no"])
def test_offlineimap_both_ways(person: Person, tmp_path: Path, more: str) -> None:
    config = tmp_path / "rc"
    config.write_text(
        OFFLINEIMAP.format(
            home=tmp_path, port=person.imaps, user=person.address, password=PASSWORD,
            certificate=person.certificate, more=more,
        )
    )  # fmt: skip
    sync = ["offlineimap", "-c", str(config), "-o", "-u", "basic"]
    put(person, "INBOX", "one", "two", "three")
    put(person, "Archive", "old", flags="\\Seen")
    run(sync, tmp_path)
    inbox, archive = tmp_path / "mail" / "INBOX", tmp_path / "mail" / "Archive"
    local = in_maildir(inbox)
    assert set(local) == {"one", "two", "three"}
    assert in_maildir(archive)["old"].name.endswith(":2,S")
    # here: one is read, two goes, a new one and a new box come; there: three is flagged
    local["one"].rename(inbox / "cur" / (local["one"].name.split(":")[0] + ":2,S"))
    local["two"].unlink()
    (archive / "cur" / "1700000000.1.here:2,FS").write_text(MESSAGE.format("new").replace("\r\n", "\n"))
    for name in ("cur", "new", "tmp"):
        (tmp_path / "mail" / "Grüße" / name).mkdir(parents=True)
    with imap(person.site, person.name) as client:
        client.select("INBOX")
        client.store("3", "+FLAGS", "(\\Flagged)")
    run(sync, tmp_path)
    assert "\\Seen" in flags_of(person)["one"]
    assert set(flags_of(person)) == {"one", "three"}
    assert "\\Flagged" in flags_of(person, "Archive")["new"]
    assert in_maildir(inbox)["three"].name.endswith(":2,F")
    with imap(person.site, person.name) as client:
        assert b'(\\HasNoChildren) "/" "Gr&APwA3w-e"' in client.list()[1]
    before = sorted(path.name for path in (tmp_path / "mail").rglob("*:2,*"))
    run(sync, tmp_path)
    assert before == sorted(path.name for path in (tmp_path / "mail").rglob("*:2,*"))


IMAPFILTER = """
options.timeout = 30
options.subscribe = true
options.create = true
local account = IMAP{{server = 'localhost', port = {port}, username = '{user}', password = '{password}', ssl = 'auto'}}
local boxes, folders = account:list_all()
table.sort(boxes)
print('boxes ' .. table.concat(boxes, ' '))
print('status ' .. table.concat({{account.INBOX:check_status()}}, ' '))
local big = account.INBOX:is_larger(100) * account.INBOX:is_unseen()
print('unseen ' .. #big)
account.INBOX:contain_subject('keep'):mark_flagged()
account.INBOX:contain_subject('read'):mark_seen()
account.INBOX:contain_subject('tagged'):add_flags({{'$Work'}})
print('keyword ' .. #account.INBOX:has_keyword('$Work'))
account.INBOX:contain_subject('copied'):copy_messages(account['Archive'])
account:create_mailbox('Projects/2026')
account.INBOX:contain_subject('moved'):move_messages(account['Projects/2026'])
account.INBOX:contain_subject('gone'):delete_messages()
account.Archive:append_message('Subject: appended\\r\\n\\r\\nText.\\r\\n', {{'\\\\Seen'}}, '01-Jan-2024 01:02:03 +0000')
for _, message in ipairs(account.INBOX:contain_from('elsewhere')) do
  local mailbox, uid = table.unpack(message)
  print('subject ' .. mailbox[uid]:fetch_field('subject'))
end
account:create_mailbox('Empty')
account:subscribe_mailbox('Empty')
account:rename_mailbox('Empty', 'Renamed')
account:delete_mailbox('Renamed')
"""


def test_imapfilter(person: Person, tmp_path: Path) -> None:
    put(person, "INBOX", "keep", "read", "tagged", "copied", "moved", "gone")
    (tmp_path / ".imapfilter").mkdir()
    (tmp_path / ".imapfilter" / "config.lua").write_text(
        IMAPFILTER.format(port=person.imaps, user=person.address, password=PASSWORD)
    )
    said = run(
        ["imapfilter", "-t", str(person.certificate), "-l", str(tmp_path / "log"), "-d", str(tmp_path / "debug")],
        tmp_path,
    ).splitlines()
    assert "boxes Archive Drafts INBOX Junk Sent Trash" in said
    assert "status 6 0 6 7" in said
    assert "unseen 6" in said
    assert "keyword 1" in said
    assert [line for line in said if line.startswith("subject ")] == [
        f"subject Subject: {name}" for name in ("keep", "read", "tagged", "copied")
    ]
    flags = flags_of(person)
    assert list(flags) == ["keep", "read", "tagged", "copied"]
    assert "\\Flagged" in flags["keep"]
    assert "\\Seen" in flags["read"]
    assert "$Work" in flags["tagged"]
    assert list(flags_of(person, "Archive")) == ["copied", "appended"]
    assert list(flags_of(person, "Projects/2026")) == ["moved"]


def test_imapfilter_waits_in_idle(person: Person, tmp_path: Path) -> None:
    (tmp_path / ".imapfilter").mkdir()
    script = tmp_path / "wait.lua"
    script.write_text(
        f"options.timeout = 30\naccount = IMAP{{server = 'localhost', port = {person.imaps}, "
        f"username = '{person.name}', password = '{PASSWORD}', ssl = 'auto'}}\n"
        "account.INBOX:check_status()\nprint('waiting') io.flush()\n"
        "local update, event = account.INBOX:enter_idle()\nprint('told', update, event)\n"
    )
    waiting = subprocess.Popen(
        ["imapfilter", "-t", str(person.certificate), "-c", str(script)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "HOME": str(tmp_path)},
    )  # fmt: skip
    try:
        assert waiting.stdout is not None
        assert waiting.stdout.readline().startswith("0 messages")
        assert waiting.stdout.readline() == "waiting\n"
        put(person, "INBOX", "news")  # before or in IDLE: it is told either way
        assert waiting.communicate(timeout=30)[0].endswith("told\ttrue\tEXISTS\n")
    finally:
        waiting.kill()
        waiting.communicate()


GETMAIL = """
[retriever]
type = SimpleIMAPSSLRetriever
server = localhost
port = {port}
username = {user}
password = {password}
ca_certs = {certificate}
mailboxes = ("INBOX", "Archive")
{retriever}
[destination]
type = MDA_external
path = {home}/deliver
allow_root_commands = true
[options]
read_all = false
delivered_to = false
received = false
{options}
"""


def test_getmail_takes_each_message_once(person: Person, tmp_path: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "mail" / name).mkdir(parents=True)
    config = tmp_path / "getmailrc"
    deliver = tmp_path / "deliver"  # getmail itself writes no mail as root
    deliver.write_text(f'#!/bin/sh\nexec cat > "$(mktemp {tmp_path}/mail/new/XXXXXX)"\n')
    deliver.chmod(0o755)

    def get(retriever: str = "", options: str = "") -> set[str]:
        config.write_text(
            GETMAIL.format(
                home=tmp_path, port=person.imaps, user=person.address, password=PASSWORD,
                certificate=person.certificate, retriever=retriever, options=options,
            )
        )  # fmt: skip
        said = run(["getmail", "--getmaildir", str(tmp_path), "-r", str(config)], tmp_path)
        assert "error" not in said.lower(), said
        return set(in_maildir(tmp_path / "mail"))

    put(person, "INBOX", "one", "two")
    put(person, "Archive", "old")
    assert get() == {"one", "two", "old"}
    put(person, "INBOX", "three")
    for path in (tmp_path / "mail" / "new").iterdir():
        path.unlink()
    assert get() == {"three"}
    put(person, "INBOX", "four")
    assert get("move_on_delete = Trash", "delete = true") == {"three", "four"}
    assert flags_of(person) == {}
    assert set(flags_of(person, "Trash")) >= {"one", "two", "three", "four", "old"}
    text = in_maildir(tmp_path / "mail")["four"].read_text()  # getmail adds fields of its own
    assert set(MESSAGE.format("four").split("\r\n")) <= set(text.split("\n"))
