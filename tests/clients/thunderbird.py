"""Thunderbird against a running daemon, over TLS: what people do all day, each step seen from both sides.

    python -m tests.clients.thunderbird              about a minute; status 1 at the first step that fails
    python -m tests.clients.thunderbird --keep DIR   with Thunderbird's IMAP log, the daemon's and a picture in DIR

Debian's ``thunderbird`` and ``xvfb``.  A step acts inside Thunderbird (tests/clients/marionette) and asks the server by
another connection whether it came to pass.  At the end no NO, BAD or trouble may be in the daemon's log, but for the
ones that any server must give (``refusals``).
"""

import argparse
import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from opostd.config import StoreSettings
from opostd.store import migrate
from tests.clients.marionette import Marionette, ScriptFailed, thunderbird
from tests.e2e.conftest import CONFIG, DOMAIN, PASSWORD, Person, Site, complaints, people
from tests.e2e.mailbox import imap, submission, text_mail, whole
from tests.support.daemon import start_daemon

PATIENCE_S = 40.0
Found = TypeVar("Found")


def wait(ask: Callable[[], Found], what: str) -> Found:
    """The first answer that is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := ask()):
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.2)
    return found


def refusals(log: str) -> tuple[list[str], list[str]]:
    """The commands of Thunderbird's IMAP log that were answered by NO or BAD: the expected ones, and the others.

    Expected is NO to a SELECT of a folder after Thunderbird itself has renamed it: what it does in the background (it
    has all folders for offline use) may have taken its name before.  It depends on the moment whether it does.
    """
    sent: dict[tuple[str, str], str] = {}
    renamed: set[str] = set()
    expected: list[str] = []
    others: list[str] = []
    for line in log.splitlines():
        if found := re.search(r"I/IMAP (\w+):\S*?:.*?:SendData: (\w+) (.*)", line):
            connection, tag, command = found.groups()
            sent[connection, tag] = command
            if name := re.fullmatch(r'rename ("(?:[^"\\]|\\.)*") .*', command.rstrip()):
                renamed.add(name[1])
        elif found := re.search(r"I/IMAP (\w+):\S*?:.*?:CreateNewLineFromSocket: (\w+) (NO|BAD) ", line):
            connection, tag, answer = found.groups()
            command = sent.get((connection, tag), "?").rstrip()
            late = answer == "NO" and command.partition(" ")[0] == "select" and command.partition(" ")[2] in renamed
            (expected if late else others).append(f"{answer} to {command}")
    return expected, others


class Steps:
    """Taken in the order they stand here; the first line of each says what a person did."""

    def __init__(self, program: Marionette, person: Person) -> None:
        self.program = program
        self.js = program.js
        self.person = person
        self.site = person.site

    def all(self) -> list[Callable[[], None]]:
        return [
            getattr(self, name) for name, each in vars(Steps).items() if name.startswith("step_") and callable(each)
        ]

    # What the server has, by another connection

    def has(self, box: str) -> dict[str, str]:
        """Subject -> flags, in a box of anna."""
        found: dict[str, str] = {}
        with imap(self.site, "anna") as client:
            if client.select(box, readonly=True)[1] == [b"0"] or client.state != "SELECTED":
                return found
            _, answer = client.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            for each in answer:
                if isinstance(each, tuple):
                    flags = each[0].decode().partition("FLAGS (")[2].partition(")")[0]
                    found[each[1].decode().strip().removeprefix("Subject: ")] = f" {flags} "
        return found

    def comes(self, box: str, subject: str, flag: str = " ") -> None:
        wait(lambda: flag in self.has(box).get(subject, ""), f"{subject} in {box} with {flag}")

    def goes(self, box: str, subject: str) -> None:
        wait(lambda: subject not in self.has(box), f"{subject} out of {box}")

    def deliver(self, *names: str) -> None:
        with submission(self.site, "bob") as client:
            for name in names:
                client.send_message(text_mail("bob", "anna", name, f"The words of {name}, **bold**.\n"))

    # The steps

    def step_logs_in_and_lists(self) -> None:
        """The certificate is confirmed, the password is in the login manager; folders come with their roles."""
        pem = self.person.certificate.read_text()
        self.js(
            """const service = Cc['@mozilla.org/security/certoverride;1'].getService(Ci.nsICertOverrideService);
            const base = Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB);
            const certificate = base.constructX509FromBase64(_given[0]);
            for (const port of _given[1]) service.rememberValidityOverride('localhost', port, {}, certificate, false);""",
            "".join(pem.splitlines()[1:-1]),
            [self.site.daemon.ports["imaps"], self.site.daemon.ports["submissions"]],
        )
        self.js(
            """for (const scheme of ['imap', 'smtp']) {
              const login = Cc['@mozilla.org/login-manager/loginInfo;1'].createInstance(Ci.nsILoginInfo);
              login.init(`${scheme}://localhost`, null, `${scheme}://localhost`, _given[0], _given[1], '', '');
              await Services.logins.addLoginAsync(login);
            }""",
            f"anna@{DOMAIN}",
            PASSWORD,
        )
        self.js(
            "await heard(l => server.getNewMessages(folder('INBOX'), win.msgWindow, l)); await found('Archive'); await found('Junk');"
        )
        roles = self.js("return [...root.descendants].map(f => [f.URI.split('/').pop(), f.flags])")
        wanted = {
            "INBOX": 0x1000,
            "Sent": 0x200,
            "Drafts": 0x400,
            "Trash": 0x100,
            "Junk": 0x40000000,
            "Archive": 0x4000,
        }
        for name, role in wanted.items():
            assert any(each == name and flags & role for each, flags in roles), (name, roles)

    def step_reads(self) -> None:
        """A message is shown, with its HTML part, and is read then."""
        self.deliver("to read", "to flag", "to tag", "to move", "to delete", "to answer")
        shown = self.js(
            """const f = folder('INBOX'); await fresh(f); const m = await there(f, 'to read'); await there(f, 'to answer');
            const tab = win.document.getElementById('tabmail').currentAbout3Pane;
            await until('pane', () => tab.displayFolder && tab.threadTree);
            tab.displayFolder(f.URI);
            await until('view', () => tab.gDBView?.msgFolder == f && tab.gDBView.rowCount == 6);
            tab.selectMessage(m);
            const body = await until('body', () => {
              const d = tab.messageBrowser?.contentWindow?.getMessagePaneBrowser?.();
              return d?.currentURI?.spec.includes('fetch') && d.contentTitle !== null && m.isRead ? d.currentURI.spec : '';
            });
            return [m.mime2DecodedAuthor, m.isRead, body];"""
        )
        assert shown[0] == f"bob@{DOMAIN}", shown
        self.comes("INBOX", "to read", "\\Seen")
        assert "\\Seen" not in self.has("INBOX")["to flag"]

    def step_flags(self) -> None:
        """A star is set, and another one's goes when it goes elsewhere."""
        self.js("const f = folder('INBOX'); f.markMessagesFlagged([message(f, 'to flag')], true);")
        self.comes("INBOX", "to flag", "\\Flagged")
        with imap(self.site, "anna") as client:
            client.select("INBOX")
            client.store("1:*", "-FLAGS", "(\\Flagged)")
        self.js(
            "const f = folder('INBOX'); const m = message(f, 'to flag'); await until('no star', () => !m.isFlagged);"
        )

    def step_tags(self) -> None:
        """Important, and a tag of one's own."""
        self.js(
            """MailServices.tags.addTagForKey('mine', 'Mine', '#123456', '');
            const f = folder('INBOX'); f.addKeywordsToMessages([message(f, 'to tag')], '$label1 mine');"""
        )
        self.comes("INBOX", "to tag", "$label1")
        self.comes("INBOX", "to tag", "mine")

    def step_makes_and_renames_folders(self) -> None:
        """A folder with an umlaut, one below it, another name; the subscription goes with it."""
        self.js("root.createSubfolder('Größe', win.msgWindow);")
        self.js("const f = await until('made', () => folder('Größe')); f.createSubfolder('In & out', win.msgWindow);")
        self.js("const f = await until('made', () => folder('In & out')); f.rename('Inside', win.msgWindow);")
        self.js("await until('renamed', () => folder('Inside'));")
        with imap(self.site, "anna") as client:
            wait(lambda: b'(\\HasNoChildren) "/" "Gr&APYA3w-e/Inside"' in client.lsub()[1], "renamed and subscribed")

    def step_moves_and_copies(self) -> None:
        """One message to another folder, and a copy of another."""
        self.js(
            """const f = folder('INBOX'); const to = folder('Inside');
            const put = (subject, move) =>  // undo would make it an offline operation, played some time later
              MailServices.copy.copyMessages(f, [message(f, subject)], to, move, null, win.msgWindow, false);
            put('to tag', false); await fresh(to); await until('copied', async () => { await fresh(to); return message(to, 'to tag'); });
            put('to move', true); await until('moved', async () => { await fresh(to); return message(to, 'to move'); });"""
        )
        self.goes("INBOX", "to move")
        assert set(self.has('"Gr&APYA3w-e/Inside"')) == {"to move", "to tag"}
        assert "$label1" in self.has('"Gr&APYA3w-e/Inside"')["to tag"]

    def step_searches_on_the_server(self) -> None:
        """Search Messages, run on the server: in bodies, with an umlaut, by tag and date."""
        search = """const session = Cc['@mozilla.org/messenger/searchSession;1'].createInstance(Ci.nsIMsgSearchSession);
            session.addScopeTerm(Ci.nsMsgSearchScope.onlineMail, folder('INBOX'));
            for (const [attrib, op, set] of _given[0]) {
              const term = session.createTerm(), value = term.value;
              value.attrib = Ci.nsMsgSearchAttrib[attrib];
              if (attrib == 'Date') value.date = set * 1000000; else value.str = set;
              term.attrib = Ci.nsMsgSearchAttrib[attrib]; term.op = Ci.nsMsgSearchOp[op]; term.value = value;
              term.booleanAnd = true; session.appendTerm(term);
            }
            const hits = [];
            await new Promise((yes, no) => {
              session.registerListener({QueryInterface: ChromeUtils.generateQI(['nsIMsgSearchNotify']),
                onSearchHit(m) { hits.push(m.mime2DecodedSubject); }, onNewSearch() {},
                onSearchDone(status) { status ? no(new Error(status)) : yes(); }});
              session.search(win.msgWindow);
            });
            return hits.sort();"""
        assert self.js(search, [["Body", "Contains", "words of to flag"]]) == ["to flag"]
        assert self.js(search, [["Subject", "Contains", "to"], ["Sender", "Contains", "bob"]]) == [
            "to answer", "to delete", "to flag", "to read", "to tag",
        ]  # fmt: skip
        assert self.js(search, [["Keywords", "Contains", "$label1"]]) == ["to tag"]
        assert self.js(search, [["Body", "Contains", "Größe"]]) == []
        assert (
            self.js(search, [["Date", "IsAfter", 1_000_000_000], ["Subject", "DoesntContain", "to r"]])[0]
            == "to answer"
        )

    def step_deletes_and_compacts(self) -> None:
        """Into the trash; out of the trash; compacted."""
        self.js(
            """const f = folder('INBOX');
            f.deleteMessages([message(f, 'to delete')], win.msgWindow, false, false, null, false);
            await until('moved', () => !message(f, 'to delete')); await later(1000);
            const trash = folder('Trash'); await fresh(trash); await there(trash, 'to delete');"""
        )
        self.goes("INBOX", "to delete")
        self.comes("Trash", "to delete")
        self.js(
            """const trash = folder('Trash');
            trash.deleteMessages([message(trash, 'to delete')], win.msgWindow, true, false, null, false);
            await until('gone', () => !message(trash, 'to delete'));
            for (const f of [trash, folder('INBOX')]) {  // it says so when something else is going on in the folder
              await until('compacted', () => heard(l => f.compact(l, win.msgWindow)).then(() => true, () => false));
            }"""
        )
        self.goes("Trash", "to delete")

    def step_deletes_a_folder(self) -> None:
        """It goes below the trash, with what is in it."""
        self.js(
            """const f = folder('Inside'); const trash = folder('Trash');
            MailServices.copy.copyFolder(f, trash, true, null, win.msgWindow);
            await until('below', () => [...trash.descendants].find(f => f.name == 'Inside'));"""
        )
        wait(lambda: len(self.has('"Trash/Inside"')) == 2, "the folder below Trash")

    def step_hears_while_idle(self) -> None:
        """New mail and what others do comes by itself."""
        self.js("const f = folder('INBOX'); server.getNewMessages(f, win.msgWindow, null);")
        self.deliver("by itself")
        self.js("await there(folder('INBOX'), 'by itself');")
        with imap(self.site, "anna") as client:
            client.select("INBOX")
            number = client.search(None, "SUBJECT", '"by itself"')[1][0].decode()
            client.store(number, "+FLAGS", "(\\Seen \\Flagged)")
            self.js(
                "const m = message(folder('INBOX'), 'by itself'); await until('seen', () => m.isRead && m.isFlagged);"
            )
            client.store(number, "+FLAGS", "(\\Deleted)")
            client.expunge()
        self.js("await until('gone', () => !message(folder('INBOX'), 'by itself'));")

    def step_keeps_mail_for_offline(self) -> None:
        """All is downloaded, and read without a line; what was flagged meanwhile comes to pass afterwards."""
        self.deliver("far away")
        with imap(self.site, "anna") as client:
            big = b"Subject: big one\r\nContent-Type: text/plain\r\n\r\n" + b"A line of many.\r\n" * 40_000
            assert client.append("INBOX", "", None, big)[0] == "OK"
        self.js(
            """const f = folder('INBOX'); await there(f, 'far away'); const big = await there(f, 'big one');
            await until('free', () => !f.locked);  // it asks a person to wait when it is itself at work in the folder
            await heard(l => f.downloadAllForOffline(l, win.msgWindow));
            await until('kept', () => [...f.messages].every(m => m.flags & Ci.nsMsgMessageFlags.Offline));
            const manager = Cc['@mozilla.org/messenger/offline-manager;1'].getService(Ci.nsIMsgOfflineManager);
            Services.io.offline = true; await until('offline', () => Services.io.offline);
            const m = message(f, 'far away');
            const uri = f.getUriForMsg(m), kept = await new Promise((yes, no) => {
              let text = '';
              MailServices.messageServiceFromURI(uri).streamMessage(uri, {
                QueryInterface: ChromeUtils.generateQI(['nsIStreamListener', 'nsIRequestObserver']), onStartRequest() {},
                onDataAvailable(request, stream, offset, count) {
                  const reader = Cc['@mozilla.org/scriptableinputstream;1'].createInstance(Ci.nsIScriptableInputStream);
                  reader.init(stream); text += reader.read(count);
                },
                onStopRequest(request, status) { status ? no(new Error('offline ' + status)) : yes(text); },
              }, win.msgWindow, null, false, '', true);
            });
            if (!kept.includes('words of far away')) throw new Error('not kept: ' + kept);
            f.markMessagesFlagged([m], true); f.markMessagesRead([m], true);
            manager.goOnline(false, true, win.msgWindow); await until('online', () => !Services.io.offline);"""
        )
        self.js("await fresh(folder('INBOX'));")
        self.comes("INBOX", "far away", "\\Flagged")
        self.comes("INBOX", "far away", "\\Seen")

    def step_sends(self) -> None:
        """A new message, by submission; a copy goes to Sent."""
        self._compose("Ci.nsIMsgCompType.New", "", f"bob@{DOMAIN}", "from Thunderbird")
        self.comes("Sent", "from Thunderbird", "\\Seen")
        with imap(self.site, "bob") as client:
            wait(lambda: client.select("INBOX")[1] == [b"1"], "the message at bob's")
            assert "Hello from here" in whole(client, 1).as_string()

    def step_answers_and_forwards(self) -> None:
        """The answered message has \\Answered, the forwarded one $Forwarded."""
        self._compose("Ci.nsIMsgCompType.ReplyToSender", "to answer", "", "")
        self.comes("INBOX", "to answer", "\\Answered")
        self.comes("Sent", "Re: to answer")
        self._compose("Ci.nsIMsgCompType.ForwardAsAttachment", "to read", f"bob@{DOMAIN}", "")
        self.comes("INBOX", "to read", "$Forwarded")
        with imap(self.site, "bob") as client:
            wait(lambda: client.select("INBOX")[1] == [b"3"], "answer and forward at bob's")
            assert whole(client, 2)["In-Reply-To"]

    def step_saves_a_draft(self) -> None:
        """Saved twice, it is there once."""
        self.js(
            COMPOSE
            + """await open(Ci.nsIMsgCompType.New, '', _given[0], 'a draft'); const c = await composing();
            for (const text of ['One. ', 'Two. ']) {
              c.GetCurrentEditor().insertText(text);
              const done = new Promise(r => c.gMsgCompose.RegisterStateListener({NotifyComposeFieldsReady() {},
                ComposeProcessDone(s) { r(s); }, SaveInFolderDone() {}, NotifyComposeBodyReady() {}}));
              await c.GenericSendMessage(Ci.nsIMsgCompDeliverMode.SaveAsDraft); await done;
            }
            c.close();""",
            f"bob@{DOMAIN}",
        )
        self.comes("Drafts", "a draft", "\\Draft")
        with imap(self.site, "anna") as client:
            wait(lambda: client.select("Drafts", readonly=True)[1] == [b"1"], "one draft")
            assert "One. Two." in whole(client, 1).as_string()

    def step_comes_back_after_a_cut(self) -> None:
        """The server is killed and comes back; the next look finds what is new."""
        self.site.daemon.kill()
        self.site.daemon.start()
        self.site.daemon.wait_ready()
        self.deliver("after the cut")
        self.js(
            "const f = folder('INBOX'); await until('news', async () => { await fresh(f).catch(() => 0); return message(f, 'after the cut'); });"
        )

    def _compose(self, kind: str, subject: str, to: str, named: str) -> None:
        self.js(
            COMPOSE + f"""await open({kind}, ..._given); const c = await composing();
            c.GetCurrentEditor().insertText('Hello from here, **bold**.');
            await c.GenericSendMessage(Ci.nsIMsgCompDeliverMode.Now);
            await until('sent', () => c.closed);""",
            subject,
            to,
            named,
        )  # fmt: skip


COMPOSE = """
const composing = async () => {
  const c = await until('composer', () => Services.wm.getMostRecentWindow('msgcompose'));
  await until('editor', () => c.gMsgCompose?.editor && c.GetCurrentEditor?.() && c.gWindowLocked === false);
  await later(500); return c;
};
const open = async (kind, subject, to, named) => {
  const params = Cc['@mozilla.org/messengercompose/composeparams;1'].createInstance(Ci.nsIMsgComposeParams);
  const fields = Cc['@mozilla.org/messengercompose/composefields;1'].createInstance(Ci.nsIMsgCompFields);
  fields.to = to; fields.subject = named;
  params.type = kind; params.format = Ci.nsIMsgCompFormat.PlainText; params.composeFields = fields;
  params.identity = MailServices.accounts.allIdentities[0];
  if (subject) {
    const f = folder('INBOX'), m = await there(f, subject);
    if (kind == Ci.nsIMsgCompType.ForwardAsAttachment) { params.originalMsgURI = f.getUriForMsg(m); }
    params.originalMsgURI = f.getUriForMsg(m); params.origMsgHdr = m;
  }
  MailServices.compose.OpenComposeWindowWithParams(null, params);
};
"""


def prefs(imaps: int, submissions: int) -> dict[str, object]:
    """One account, as the account wizard would write it: IMAP and submission, both TLS from the first octet."""
    user = f"anna@{DOMAIN}"
    server = {
        "type": "imap",
        "hostname": "localhost",
        "port": imaps,
        "userName": user,
        "socketType": 3,
        "authMethod": 3,
    }
    local = {"type": "none", "hostname": "Local Folders", "userName": "nobody", "name": "Local Folders"}
    outgoing = {"hostname": "localhost", "port": submissions, "username": user, "try_ssl": 3, "authMethod": 3}
    identity = {"fullName": "Anna", "useremail": user, "smtpServer": "smtp1", "valid": True, "compose_html": False}
    return {
        "mail.accountmanager.accounts": "account1,account2",
        "mail.accountmanager.defaultaccount": "account1",
        "mail.account.account1.identities": "id1",
        "mail.account.account1.server": "server1",
        "mail.account.account2.server": "server2",
        "mail.smtpservers": "smtp1",
        "mail.smtp.defaultserver": "smtp1",
        "mail.server.server1.name": user,
        "mail.server.server1.login_at_startup": False,
        **{f"mail.server.server1.{name}": value for name, value in server.items()},
        **{f"mail.server.server2.{name}": value for name, value in local.items()},
        **{f"mail.smtpserver.smtp1.{name}": value for name, value in outgoing.items()},
        **{f"mail.identity.id1.{name}": value for name, value in identity.items()},
    }


def run(folder: Path) -> int:
    settings = StoreSettings(url=f"sqlite:///{folder}/opostd.db")
    migrate.up(settings)
    asyncio.run(people(settings))
    daemon = start_daemon(folder, config_text=CONFIG.format(url=settings.url), migrate=False)
    site = Site(daemon.config, daemon, settings)
    told = ""
    try:
        with thunderbird(folder, prefs(daemon.ports["imaps"], daemon.ports["submissions"])) as program:
            steps = Steps(program, Person("anna", site))
            print("Thunderbird", program.js("return Services.appinfo.version"))
            for step in steps.all():
                began = time.monotonic()
                before = daemon.output
                try:
                    step()
                finally:
                    with contextlib.suppress(ScriptFailed):
                        (folder / "window.png").write_bytes(program.picture())
                    told += daemon.output.removeprefix(before)
                    (folder / "daemon.log").write_text(told)
                print(f"ok {time.monotonic() - began:5.1f} s  {step.__name__.removeprefix('step_')}: {step.__doc__}")
    finally:
        daemon.stop()
    expected, others = refusals((folder / "imap.moz_log").read_text(errors="replace"))
    refused = [line for line in complaints(told) if not (expected and "imap no:" in line and "NoSuchBox" in line)]
    if refused or others:
        print(*refused, *others, sep="\n")
        return 1
    print(*(f"expected: {each}" for each in expected), "no other NO, no BAD, no trouble in the log", sep="\n")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, metavar="DIR", help="an empty folder")
    given = parser.parse_args()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        return run(given.keep.resolve())
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return run(Path(folder))


if __name__ == "__main__":
    sys.exit(main())
