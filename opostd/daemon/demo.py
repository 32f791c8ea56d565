"""The demo: what runs when nothing is configured.  On this machine only, with two people, a group, three posts.

Made through the same functions as everything else, step by step, each step done only when it is not done yet, so
that a demo that was killed in the middle is whole at the next start.  The passwords are known to everybody: a server
that can be reached from elsewhere refuses to start while one of them still opens an account.
"""

import asyncio
import contextlib
import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from opostd import __version__
from opostd.auth import passwords, scram
from opostd.config import Settings
from opostd.daemon import sockets, tls
from opostd.daemon.failure import EX_CONFIG, StartFailed
from opostd.daemon.sockets import Listener
from opostd.intake.draft import draft
from opostd.intake.intake import Intake, Trace
from opostd.model.errors import AddressTaken
from opostd.model.mailing import Target
from opostd.model.records import Account, AccountState, PostPolicy
from opostd.store import accounts, boxes, provision, sync
from opostd.store.run import Store

DOMAIN = "localhost"
GROUP = f"team@{DOMAIN}"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody of the demo, with a password that everybody knows."""

    name: str
    password: str
    admin: bool = False

    @property
    def address(self) -> str:
        return f"{self.name}@{DOMAIN}"


TEST = User("test", "deadbeef")
ADMIN = User("udapost", "admin123", admin=True)
USERS = (TEST, ADMIN)


@dataclass(frozen=True, slots=True)
class Letter:
    """A welcome post.  to: an address of the demo."""

    sender: User
    to: str
    subject: str
    text: str


LETTERS = (
    Letter(
        ADMIN,
        TEST.address,
        "Welcome to opostd",
        """\
# Welcome, test

This message was written in **Markdown** and accepted as a *multipart/alternative*: the text as it was typed, and the
HTML you may be looking at.

| what            | where                        |
|-----------------|------------------------------|
| your mail       | `imap://localhost:{imap}`    |
| sending         | `smtp://localhost:{submission}` |
| your password   | `deadbeef`                   |

Try it:

```
echo 'Hello **you**' | opostd send --to test --subject Hello
```
""",
    ),
    Letter(
        ADMIN,
        GROUP,
        "A message to a group",
        """\
Hello **team**,

this was sent once, to `team@localhost`, and is *one* row in the group's box. Each member finds it in the own INBOX:

1. from the day they joined,
2. once, whatever the number of groups it came by,
3. with their own flags.
""",
    ),
    Letter(
        ADMIN,
        f"everyone@{DOMAIN}",
        "A message to everyone",
        """\
A message to `everyone@localhost` costs the same for ten readers and for a hundred thousand.

> Only an administrator who has logged in may write to everyone; here that is **udapost**.
""",
    ),
)


@dataclass(frozen=True, slots=True)
class Welcome:
    """What the banner tells of the demo.  new: made by this start; waiting: unread posts in test's INBOX."""

    new: bool
    waiting: int


async def prepare(store: Store, intake: Intake, settings: Settings) -> Welcome:
    """Make what is missing of the demo."""
    now = int(time.time())
    people: dict[str, Account] = {}
    new = False
    for user in USERS:
        account = await _account(store, user.address)
        if account is None:
            secret = await asyncio.to_thread(passwords.hash_password, user.password)
            keys = await asyncio.to_thread(scram.packed, user.password, settings.auth.scram_iterations)
            with contextlib.suppress(AddressTaken):
                account = await provision.add_user(
                    store, user.address, secret=secret, scram=keys, admin=user.admin, now=now
                )
                new = True
        if account is not None:
            people[user.name] = account
    if len(people) == len(USERS):  # the people who use a demo may have removed one of them: their choice
        await _make_group(store, people, now)
        await _send_letters(store, intake, settings, people)
    return Welcome(new, await _waiting(store, people.get(TEST.name), now))


async def _account(store: Store, address: str) -> Account | None:
    found = await store.run(accounts.address, address)
    return None if found is None else await store.run(accounts.account, found.owner)


async def _make_group(store: Store, people: dict[str, Account], now: int) -> None:
    if await store.run(accounts.address, GROUP) is None:
        members = [account.owner for account in people.values()]
        await provision.add_group(store, GROUP, title="The team", members=members, post=PostPolicy.MEMBERS, now=now)


async def _send_letters(store: Store, intake: Intake, settings: Settings, people: dict[str, Account]) -> None:
    """Send those that were never sent: a box whose first UID is still to be given never had one."""
    ports = {room: getattr(settings, room).listen[0].rpartition(":")[2] for room in ("imap", "submission")}
    for letter in LETTERS:
        sender = people[letter.sender.name]
        recipient = await intake.recipient(letter.to, sender)
        target = recipient.places[0]
        assert isinstance(target, Target)
        box = await store.run(boxes.box_by_id, target.owner, target.box)
        if box.uidnext > 1:
            continue
        text = letter.text
        for room, port in ports.items():
            text = text.replace("{" + room + "}", port)
        raw = draft(text, sender=letter.sender.address, to=(letter.to,), subject=letter.subject)
        await intake.submit(
            raw, mail_from=letter.sender.address, recipients=[recipient], account=sender, markdown=True, trace=Trace()
        )


async def _waiting(store: Store, account: Account | None, now: int) -> int:
    """Unread posts of an INBOX, after what its subscriptions owe it."""
    if account is None:
        return 0
    box = await store.run(boxes.box_named, account.owner, "INBOX")
    await sync.bring_up(store, account.owner, box.box, now=now)
    return (await store.run(boxes.status, account.owner, box.box)).unseen


async def refuse_known_passwords(store: Store, settings: Settings, listeners: Sequence[Listener]) -> None:
    """Nobody from elsewhere may try the demo's passwords.  Raises StartFailed, with what helps."""
    outside = next((each for each in listeners if not each.on_loopback), None)
    if outside is None:
        return
    for user in USERS:
        for domain in settings.domains:
            account = await _account(store, f"{user.name}@{domain}")
            if account is None or account.secret is None or account.state is not AccountState.ACTIVE:
                continue
            if await asyncio.to_thread(passwords.verify, account.secret, user.password):
                address = f"{user.name}@{domain}"
                raise StartFailed(
                    EX_CONFIG,
                    f"refusing to listen on {outside.address} while demo user {user.name!r} has its known password\n"
                    f"  opostd --config FILE user password {address}\n"
                    f"  opostd --config FILE user delete {address}",
                )


def banner(settings: Settings, identity: tls.Identity, listeners: Sequence[Listener], welcome: Welcome) -> str:
    """What a person sees who has just started it."""
    port = sockets.ports(listeners)
    test = f"{TEST.name}:{TEST.password}@localhost"
    days = identity.days_left(datetime.datetime.now(datetime.UTC)) + 1  # the day that has begun counts
    fingerprint = identity.sha256
    web = f"http://localhost:{port['http']}" if "http" in port else ""
    state = "new; remove the folder to start again" if welcome.new else "kept; remove the folder to start again"
    posts = "1 post waits" if welcome.waiting == 1 else f"{welcome.waiting} posts wait"
    show = f"curl --user {TEST.name}:{TEST.password} 'imap://localhost:{port['imap']}/INBOX;MAILINDEX=1'"
    return f"""\
opostd {__version__} — nothing configured, so this is a demo on this machine only
  data      {_short(settings.data_directory)}      (SQLite, {state})
  tls       self-signed, SHA-256 {fingerprint[:5]}:…:{fingerprint[-2:]}, {days} days; {_short(_public(identity))}

  read      imap://{test}:{port["imap"]}         (imaps on {port["imaps"]})
  send      smtp://{test}:{port["submission"]}         (smtps on {port["submissions"]}; without login on {port["smtp"]})
  {_web(web)}
  admin     {ADMIN.name} / {ADMIN.password}

  {posts} for {TEST.name}: {show}
  try       echo 'Hello **you**' | opostd send --to test --subject Hello
  Thunderbird: address {TEST.address}, then "Configure manually": localhost, {port["imap"]}, {port["submission"]}
  for real  opostd config show --defaults > opostd.toml, set hostname, domains and the listeners, then
            opostd --config opostd.toml migrate up && opostd --config opostd.toml serve
Ready. Ctrl+C stops."""


def _web(url: str) -> str:
    """url: of the HTTP door, or empty where another has its port."""
    if not url:
        return "web       not served: another program has its port"
    login = f"(log in as {TEST.name} / {TEST.password})"
    return f"web       {url}/      {login}\n  api       {url}/postapi/      (docs at {url}/postapi/docs)"


def _public(identity: tls.Identity) -> Path:
    return identity.chain_file.with_name("certificate.pem")


def _short(path: Path) -> str:
    """With ~ for the home folder."""
    with contextlib.suppress(ValueError, RuntimeError):
        return f"~/{path.relative_to(Path.home())}"
    return str(path)
