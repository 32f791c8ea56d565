"""A Thunderbird of one's own on a screen of its own, driven by Marionette: scripts that run inside it.

Debian's ``thunderbird`` and ``xvfb``.  Everything is below one folder; no address but loopback is asked for anything.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

START_S = 120.0
SCRIPT_S = 90.0

# What a new profile would ask, show or fetch, and what would make it act by itself.
QUIET: dict[str, object] = {
    "app.normandy.enabled": False,
    "app.update.enabled": False,
    "browser.region.network.url": "",
    "datareporting.policy.dataSubmissionEnabled": False,
    "extensions.update.enabled": False,
    "mail.biff.show_alert": False,
    "mail.inappnotifications.enabled": False,
    "mail.provider.suppress_dialog_on_startup": True,
    "mail.rights.version": 1,
    "mail.shell.checkDefaultClient": False,
    "mail.spotlight.firstRunDone": True,
    "mail.winsearch.firstRunDone": True,
    "mailnews.auto_config.fetchFromISP.enabled": False,
    "mailnews.database.global.indexer.enabled": False,
    "mailnews.start_page.enabled": False,
    "marionette.port": 0,  # a free one, which it writes into its profile
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "network.dns.offline-localhost": True,
    "network.manage-offline-status": False,
    "offline.autoDetect": False,
    "offline.download.download_messages": 2,  # never ask
    "offline.send.unsent_messages": 2,
    "services.settings.server": "",
    "toolkit.telemetry.enabled": False,
}

PRELUDE = """
const [..._given] = arguments; const _done = _given.pop();
const {MailServices} = ChromeUtils.importESModule('resource:///modules/MailServices.sys.mjs');
const win = Services.wm.getMostRecentWindow('mail:3pane');
const later = (ms) => new Promise(r => win.setTimeout(r, ms));
const until = async (what, ask) => {
  for (let n = 0; n < 400; n++) { const v = await ask(); if (v) return v; await later(100); }
  throw new Error('never: ' + what);
};
const server = MailServices.accounts.accounts.map(a => a.incomingServer).find(s => s.type == 'imap');
const root = server?.rootFolder;
const folder = name => {  // by the last level of its name; asked for its interface, so that scripts see all of it
  const f = name == 'INBOX' ? root.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox)
    : root.descendants.find(f => f.name == name || f.URI.endsWith('/' + name));
  return f?.QueryInterface(Ci.nsIMsgImapMailFolder);
};
const found = name => until('folder ' + name, () => folder(name));
const message = (f, subject) => [...f.messages].find(m => m.mime2DecodedSubject == subject);
const there = (f, subject) => until(f.URI + ': ' + subject, () => message(f, subject));
const heard = start => new Promise((yes, no) => start({
  QueryInterface: ChromeUtils.generateQI(['nsIUrlListener', 'nsIMsgCopyServiceListener']),
  OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { status ? no(new Error('status ' + status)) : yes(); },
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
  onStopCopy(status) { status ? no(new Error('status ' + status)) : yes(); },
}));
const fresh = f =>  // it does not say so when the folder is busy
  Promise.race([heard(l => f.updateFolderWithListener(win.msgWindow, l)), later(5000)]);
"""


class ScriptFailed(AssertionError):
    """What the script inside Thunderbird threw."""


class Marionette:
    """One session: ``js`` runs a script in the program's own context."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SCRIPT_S + 10)
        self._buffer = b""
        self._id = 0
        self._message()  # its hello
        self._command("WebDriver:NewSession", capabilities={"alwaysMatch": {"unhandledPromptBehavior": "ignore"}})
        self._command("WebDriver:SetTimeouts", script=SCRIPT_S * 1000)
        self._command("Marionette:SetContext", value="chrome")

    def js(self, script: str, *given: object) -> Any:
        """What an async script returns; ``_given`` has the arguments, PRELUDE what it may use."""
        wrapped = f"{PRELUDE} (async () => {{ {script} }})().then(v => _done([0, v ?? null]), e => _done([1, `${{e}} ${{e.stack}}`]));"
        answer = self._command("WebDriver:ExecuteAsyncScript", script=wrapped, args=list(given), newSandbox=True)[
            "value"
        ]
        if answer is None:
            raise ScriptFailed(f"Thunderbird asked something: {self._command('WebDriver:GetAlertText')['value']}")
        failed, value = answer
        if failed:
            raise ScriptFailed(value)
        return value

    def picture(self) -> bytes:
        """Of its window, as PNG."""
        import base64

        return base64.b64decode(self._command("WebDriver:TakeScreenshot", full=False)["value"])

    def close(self) -> None:
        self._socket.close()

    def _command(self, name: str, **parameters: object) -> Any:
        self._id += 1
        octets = json.dumps([0, self._id, name, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(octets), octets))
        _, _, error, result = self._message()
        if error:
            raise ScriptFailed(error["message"])
        return result

    def _message(self) -> Any:
        while b":" not in self._buffer:
            self._receive()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._receive()
        octets, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(octets)

    def _receive(self) -> None:
        octets = self._socket.recv(65536)
        if not octets:
            raise ScriptFailed("Thunderbird has gone")
        self._buffer += octets


@contextmanager
def thunderbird(folder: Path, prefs: dict[str, object]) -> Iterator[Marionette]:
    """A session with a Thunderbird that has these preferences."""
    for program in ("thunderbird", "Xvfb"):
        assert shutil.which(program), f"{program} is not installed: apt-get install thunderbird xvfb"
    profile, home = folder / "profile", folder / "thunderbird-home"
    profile.mkdir()
    home.mkdir()
    lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in {**QUIET, **prefs}.items()]
    (profile / "user.js").write_text("".join(lines))
    with _screen() as display, open(folder / "thunderbird.out", "wb") as output:
        environ = {**os.environ, "DISPLAY": display, "HOME": str(home), "MOZ_LOG": "IMAP:5,timestamp,sync"}
        environ["MOZ_LOG_FILE"] = str(folder / "imap")
        command = [
            "thunderbird",
            "--profile",
            str(profile),
            "--no-remote",
            "--marionette",
            "--remote-allow-system-access",
        ]
        program = subprocess.Popen(command, env=environ, stdout=output, stderr=subprocess.STDOUT)
        try:
            session = Marionette(_port(profile, program))
            try:
                yield session
            finally:
                session.close()
        finally:
            _end(program)


def _port(profile: Path, program: "subprocess.Popen[bytes]") -> int:
    """The port it writes down when it is ready to be driven."""
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError, ValueError):
            port = int((profile / "MarionetteActivePort").read_text())
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 5).close()
                return port
        assert program.poll() is None, "Thunderbird has ended"
        assert time.monotonic() < deadline, "Thunderbird does not start"
        time.sleep(0.2)


@contextmanager
def _screen() -> Iterator[str]:
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x900x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=(write,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield ":" + told.readline().strip()
    finally:
        _end(screen)


def _end(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(20)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
