"""Members of a group who are elsewhere: one copy each, under a return path of their own, and what comes back by it."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from opostd.checks.dns import Resolver
from opostd.intake.trace import Trace
from opostd.intake.verp import says_failed, token_of
from opostd.model.errors import MailLoop, NoSuchAddress
from opostd.model.ids import SYSTEM_OWNER
from opostd.model.mailing import Outside, Recipient, Target, Wish
from opostd.model.new_ids import new_token
from opostd.model.records import MemberRole, PostPolicy, Withdraw
from opostd.store import boxes, outgoing, outside, provision, queue, sources, withdraw
from opostd.store.run import Store
from opostd.worker.rewrite import Rewriter, author_domains, policy, rewritten
from tests.intake.world import DOMAIN, NOW, text
from tests.worker.dns_server import Zone, serving
from tests.worker.peer import Peer, aiosmtpd_peer, told_peer
from tests.worker.world import Site, X, Y, site

TEAM = f"team@{DOMAIN}"
DAY_S = 86400
Refuse = set[str]


@contextlib.asynccontextmanager
async def group(
    store: Store, *members: str, post: PostPolicy = PostPolicy.ANYONE, refused: Refuse | None = None
) -> AsyncIterator[tuple[Site, Peer]]:
    """bob reads team, and those members elsewhere; whose server refuses whoever is in ``refused``."""
    no = refused if refused is not None else set()

    def reply(line: str) -> str | None:
        return "550 5.1.1 nobody" if line.startswith("RCPT") and any(f"<{each}>" in line for each in no) else None

    async with told_peer(reply) as peer, site(store, peer) as here:
        people = here.here.people
        await provision.add_group(store, TEAM, title="", members=[people["bob"].owner], post=post, now=NOW)
        for each in members:
            assert await store.run(outside.add, await box_of(store, TEAM), each, new_token())
        yield here, peer


async def box_of(store: Store, address: str):  # type: ignore[no-untyped-def]
    found = await store.run(sources.source_at, address)
    assert found is not None
    return found.box


async def team(store: Store) -> dict[str, outside.OutsideMember]:
    return {each.address: each for each in await store.run(outside.members, await box_of(store, TEAM))}


async def post(here: Site, subject: str, *more: Recipient, sender: str = "anna") -> bytes:
    return await here.here.submit(
        subject, sender=sender, recipients=[*await here.here.recipients("team", sender=sender), *more]
    )


def test_one_row_here_and_one_copy_for_each_elsewhere(store: Store) -> None:
    async def main() -> None:
        async with group(store, X, Y) as (here, peer):
            id_ = await post(here, "s")
            rows = await store.run(outgoing.of_post, id_)
            assert [(row.address, row.via) for row in rows] == [(Y, TEAM), (X, TEAM)]
            assert await here.agent.drain() == 2
            await here.here.queue_is_empty()
            members = await team(store)
            assert {each.recipients: each.sender for each in peer.taken} == {
                (address,): f"bounce+{members[address].token}@{DOMAIN}" for address in (X, Y)
            }
            assert members[X].token != members[Y].token
            (raw,) = await here.here.raws("bob")
            for each in peer.taken:
                assert each.raw == raw
                assert f"\r\nList-Id: <team.{DOMAIN}>\r\n".encode() in each.raw
            status = await store.run(boxes.status, SYSTEM_OWNER, await box_of(store, TEAM))
            assert status.messages == 1

    asyncio.run(main())


def test_who_is_named_too_gets_it_once_as_named(store: Store) -> None:
    async def main() -> None:
        async with group(store, X, Y) as (here, peer):
            inner = f"inner@{DOMAIN}"
            await provision.add_group(store, inner, title="", members=[], post=PostPolicy.MEMBERS, now=NOW)
            await store.run(outside.add, await box_of(store, inner), X, new_token())
            await store.run(outside.add, await box_of(store, inner), "z@else.example", new_token())
            await provision.nest(store, TEAM, inner)
            await post(here, "s", Recipient(Wish("Y@named"), (Outside(Y.replace("Why", "WHY")),)))
            assert await here.agent.drain() == 3
            assert sorted((each.recipients, each.sender.partition("+")[0]) for each in peer.taken) == [
                ((Y.replace("Why", "WHY"),), f"anna@{DOMAIN}"),
                ((X,), "bounce"),
                (("z@else.example",), "bounce"),
            ]

    asyncio.run(main())


def test_a_group_without_them_asks_nothing_more(store: Store) -> None:
    async def main() -> None:
        async with group(store) as (here, _):
            source = await store.run(sources.source_at, TEAM)
            assert source is not None
            assert not source.outside
            await store.run(outside.add, source.box, X, new_token())
            assert not await store.run(outside.add, source.box, X.upper(), new_token())
            assert (await store.run(sources.source_at, TEAM)).outside  # type: ignore[union-attr]
            assert not await store.run(outside.remove, source.box, Y)
            assert await store.run(outside.remove, source.box, X)
            assert not (await store.run(sources.source_at, TEAM)).outside  # type: ignore[union-attr]
            await post(here, "s")
            assert await here.agent.drain() == 0

    asyncio.run(main())


def test_what_is_taken_back_does_not_leave_any_more(store: Store) -> None:
    async def main() -> None:
        async with group(store, X) as (here, peer):
            id_ = await post(here, "s")
            await withdraw.recall(store, id_, Withdraw.ALL, NOW)
            assert await here.agent.drain() == 0
            assert peer.taken == []

    asyncio.run(main())


def test_who_refuses_us_pauses_nobody(sqlite: Store) -> None:
    async def main() -> None:
        async with (
            told_peer(lambda line: "550 5.7.1 listed" if line == "DATA" else None) as peer,
            site(sqlite, peer) as here,
        ):
            await provision.add_group(sqlite, TEAM, title="", members=[], post=PostPolicy.ANYONE, now=NOW)
            await sqlite.run(outside.add, await box_of(sqlite, TEAM), X, new_token())
            await post(here, "s")
            await here.agent.drain()
            await here.here.queue_is_empty()
            assert (await team(sqlite))[X].bounces == 0
            assert len(await here.here.raws("root")) == 1  # whom it may concern hears of it

    asyncio.run(main())


OWNERS = [
    ("root", "", ""),
    ("bob", "role", ""),
    ("anna", "role", f"anna@{DOMAIN}"),
    ("bob", "role", TEAM),
    ("root", "", X),
]


@pytest.mark.parametrize(("hears", "role", "bounces_to"), OWNERS)
def test_what_comes_back_goes_to_the_owner_and_never_to_the_author(
    sqlite: Store, hears: str, role: str, bounces_to: str
) -> None:
    """postmaster where there is no owner; not to a group, from which it would go out again."""

    async def main() -> None:
        async with group(sqlite, X, Y, refused={X}) as (here, peer):
            if role:
                await provision.give_role(sqlite, TEAM, here.here.people["bob"].owner, MemberRole.OWNER)
            await sqlite.run(sources.set_bounces_to, await box_of(sqlite, TEAM), bounces_to)
            await post(here, "s")
            await here.agent.drain()
            await here.agent.drain()
            await here.here.queue_is_empty()
            outcome = {
                name: [_reports(raw) for raw in await here.here.raws(name)].count(True)
                for name in ("anna", "bob", "root")
            }
            expected = {name: int(name == hears) for name in outcome}
            assert outcome == (dict.fromkeys(outcome, 0) if bounces_to == X else expected)
            assert peer.copies(X) == 0  # where it hears of itself, that is refused as well
            assert peer.copies(Y) == 1
            assert {each.address: each.bounces for each in (await team(sqlite)).values()} == {X: 1, Y: 0}

    asyncio.run(main())


def _reports(raw: bytes) -> bool:
    return b"\r\nAction: failed\r\n" in raw


REPORT = (
    b"From: mailer-daemon@else.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; x\r\n"
    b"Action: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
)


async def comes_back(here: Site, address: str, raw: bytes = REPORT, mail_from: str = "") -> None:
    await here.here.intake.submit(
        raw,
        mail_from=mail_from,
        recipients=await here.here.recipients(address),
        account=None,
        markdown=False,
        trace=Trace(),
    )


def test_after_some_days_of_bounces_a_member_is_paused_and_the_owner_told_once(store: Store) -> None:
    async def main() -> None:
        async with group(store, X, Y) as (here, peer):
            clock = [NOW]
            here.here.intake._bounces._now = lambda: clock[0]
            token = (await team(store))[X].token
            path = f"Bounce+{token.upper()}@{DOMAIN}"
            for day in range(7):
                clock[0] = NOW + day * DAY_S
                await comes_back(here, path)
                await comes_back(here, path)  # the same day: counts once
                await comes_back(here, path, REPORT.replace(b"failed", b"delayed"))
                await comes_back(here, path, text("on holiday"))
                await comes_back(here, path, mail_from="x@else.example")
                await here.here.intake._idle.wait()
                member = (await team(store))[X]
                assert (member.bounces, member.paused) == (min(day + 1, 5), day >= 4)
            raws = await here.here.raws("root")  # postmaster
            assert len(raws) == 7 * 5 + 1
            (notice,) = [raw for raw in raws if b"is paused in team" in raw]
            assert f"opostd group resume {TEAM} {X}\r\n".encode() in notice
            assert notice.startswith(b"Return-Path: <>\r\n")
            await post(here, "s")
            assert await here.agent.drain() == 1
            assert (peer.copies(X), peer.copies(Y)) == (0, 1)
            assert await store.run(outside.resume, await box_of(store, TEAM), X)
            await post(here, "s")
            assert await here.agent.drain() == 2

    asyncio.run(main())


def test_bounces_far_apart_pause_nobody(sqlite: Store) -> None:
    async def main() -> None:
        async with group(sqlite, X):
            token = (await team(sqlite))[X].token
            for count in range(10):
                member = await sqlite.run(outside.count_bounce, token, NOW + count * 31 * DAY_S, 2)
                assert member is not None
                assert (member.bounces, member.paused) == (1, False)

    asyncio.run(main())


def test_return_paths_that_nobody_was_given(sqlite: Store) -> None:
    async def main() -> None:
        async with group(sqlite, X) as (here, _):
            for local in ("bounce+" + "a" * 16, "bounce", "bounce+x"):
                with pytest.raises(NoSuchAddress):
                    await here.here.intake.route(f"{local}@{DOMAIN}", None)
            token = (await team(sqlite))[X].token
            await here.here.intake.route(f"bounce+{token}@{DOMAIN}", None)
            person = await provision.add_user(sqlite, f"bounce@{DOMAIN}", secret=None, now=NOW)
            (place,) = await here.here.intake.route(f"bounce+{'a' * 16}@{DOMAIN}", None)
            assert isinstance(place, Target)
            assert place.owner == person.owner  # somebody of that name keeps every +tag of theirs
            await provision.delete_user(sqlite, f"bounce@{DOMAIN}")
            await provision.delete_group(sqlite, TEAM)
            with pytest.raises(NoSuchAddress):
                await here.here.intake.route(f"bounce+{token}@{DOMAIN}", None)

    asyncio.run(main())


def test_a_copy_that_comes_back_to_its_group_is_refused(sqlite: Store) -> None:
    async def main() -> None:
        async with group(sqlite, X) as (here, peer):
            await post(here, "s")
            await here.agent.drain()
            with pytest.raises(MailLoop):
                await comes_back(here, TEAM, peer.taken[0].raw, mail_from="list@else.example")
            await comes_back(here, TEAM, b"List-Id: <another.example>\r\n\r\ntext", mail_from="x@else.example")

    asyncio.run(main())


def test_where_nothing_leaves_they_get_nothing(sqlite: Store) -> None:
    async def main() -> None:
        async with group(sqlite, X) as (here, _):
            here.here.intake._router.relay = False
            places = await here.here.intake.route(TEAM, None)
            assert {type(place) for place in places} == {Target}
            await post(here, "s")
            await here.here.queue_is_empty()
            assert await sqlite.run(queue.depth) == 0

    asyncio.run(main())


DMARC = {
    "_dmarc.strict.example TXT": ['"v=DMARC1; p=reject; rua=mailto:x@strict.example"'],
    "_dmarc.soft.example TXT": ['"v=DMARC1; p=none; sp=quarantine"'],
    "_dmarc.two.example TXT": ['"v=DMARC1; p=reject"', '"v=DMARC1; p=none"'],
    "_dmarc.sub.two.example TXT": ['"v=DMARC1;p=quarantine"'],
    f"_dmarc.{DOMAIN} TXT": ['"v=DMARC1; p=reject"'],
    "none.example TXT": ["x"],
}
AUTHORS = [
    ("a@strict.example", True), ("a@mail.strict.example", True), ("a@soft.example", False), ("a@x.soft.example", True),
    ("a@two.example", False), ("a@sub.two.example", True), ("a@none.example", False), ("a@fails.example", True),
    (f"anna@{DOMAIN}", False), ("a@none.example, b@strict.example", True), ("nobody", False),
]  # fmt: skip


@pytest.mark.parametrize(("author", "changed"), AUTHORS)
def test_who_writes_a_copy(author: str, changed: bool) -> None:
    raw = f"Received: x\r\nFrom: {author}\r\nSubject: s\r\n\r\nFrom: text\r\n".encode()

    async def main() -> None:
        async with serving(Zone(dict(DMARC), fails={"_dmarc.fails.example"})) as zone:
            copy = await Rewriter(Resolver([zone.place]), [DOMAIN]).copy(raw, TEAM)
            assert (copy != raw) is changed
            if changed:
                assert f"\r\n <{TEAM}>\r\nReply-To: {author}\r\nSubject: s\r\n\r\nFrom: text\r\n".encode() in copy

    asyncio.run(main())


REWRITTEN = [
    (b"From: Anna B <a@x.example>\r\n", b"From: Anna B via team\r\n <team@opost.example>\r\nReply-To: Anna B <a@x.example>\r\n"),
    (b"FROM : a@x.example\r\nReply-to: b@x.example\r\n", b'From: "a@x.example via team"\r\n <team@opost.example>\r\nReply-to: b@x.example\r\n'),
    (b'From: "B, Anna"\r\n <a@x.example>\r\n', b'From: "B, Anna via team"\r\n <team@opost.example>\r\nReply-To: "B, Anna"\r\n <a@x.example>\r\n'),
    (b"From: =?utf-8?q?=C3=84nna?= <a@x.example>\r\n", b"From: =?utf-8?b?w4RubmEgdmlhIHRlYW0=?=\r\n <team@opost.example>\r\nReply-To: =?utf-8?q?=C3=84nna?= <a@x.example>\r\n"),
    (b"From: =?utf-8?q?a=0D=0ABcc:_x?= <a@x.example>\r\n", None),
    (b"Subject: s\r\n", b"Subject: s\r\n"),
    (b"From: \r\n", b"From: Somebody via team\r\n <team@opost.example>\r\nReply-To: \r\n"),
]  # fmt: skip


@pytest.mark.parametrize(("header", "expected"), REWRITTEN)
def test_rewritten(header: bytes, expected: bytes | None) -> None:
    found = rewritten(header + b"\r\nbody\r\n", TEAM)
    if expected is not None:
        assert found == expected + b"\r\nbody\r\n"
    assert found.endswith(b"\r\n\r\nbody\r\n")
    assert not re.search(rb"(?m)^Bcc", found)


def test_domains_of_authors() -> None:
    assert author_domains(b"From: a@X.example, g: b@y.example;\r\nSubject: s\r\n\r\nFrom: z@z.example") == [
        "x.example",
        "y.example",
    ]
    assert author_domains(b"Subject: s") == []


def test_policies() -> None:
    assert policy(["v=DMARC1; p=Reject ; p=none"]) == {"v": "dmarc1", "p": "reject"}
    assert policy(["v=spf1 -all"]) is policy([]) is policy(["v=DMARC10; p=none"]) is None


def test_tokens() -> None:
    assert token_of("bounce+abcdefgh234567xy@x") == "abcdefgh234567xy"
    assert token_of("bounce+abcdefgh234567x1@x") is token_of("x+bounce@x") is token_of("bounce+aa@x") is None
    assert all(token_of(f"bounce+{new_token()}@x") for _ in range(20))
    assert says_failed(REPORT)
    assert not says_failed(REPORT.replace(b"multipart/report", b"multipart/mixed"))
    assert not says_failed(REPORT.replace(b"5.1.1", b"5.7.1"))


def test_what_leaves_is_rewritten_and_what_is_kept_is_not(sqlite: Store) -> None:
    async def main() -> None:
        async with aiosmtpd_peer() as peer, group(sqlite, X) as (here, _), serving(Zone(dict(DMARC))) as zone:
            here.relay = here.relay.__class__(via="smarthost", smarthost=f"127.0.0.1:{peer.port}", tls="off")
            here.hosts = here.hosts.__class__(here.relay)  # type: ignore[call-arg]
            agent = here.another(rewriter=Rewriter(Resolver([zone.place]), [DOMAIN]))
            raw = b"From: a@strict.example\r\nSubject: s\r\n\r\ntext\r\n"
            await here.here.submit("", "team", raw=raw)
            await agent.drain()
            (copy,) = peer.taken
            assert b'From: "a@strict.example via team"\r\n' in copy.raw
            (kept,) = await here.here.raws("bob")
            assert b"\r\nFrom: a@strict.example\r\n" in kept

    asyncio.run(main())
