"""Joining and leaving a group by a letter.

What must stay true: only a login, or a token that was mailed to an address, proves that somebody has it, so nobody
joins or leaves for another; whoever writes under somebody else's address causes one letter to them in some days, and
is told nothing of who reads the group; what is confirmed is done once, whatever dies in between.
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from email.utils import formatdate

from opostd.config import GroupSettings
from opostd.intake import letters
from opostd.intake.letters import Letter
from opostd.intake.office import Office, digest, new_token
from opostd.intake.rights import DECIDES
from opostd.intake.route import Router
from opostd.model.errors import BadAddress, Explained, LimitReached, NoSuchAddress, NoSuchBox
from opostd.model.ids import NOBODY, OwnerId
from opostd.model.mailing import Mailing
from opostd.model.new_ids import new_token as new_return_path
from opostd.model.records import Account, AddressKind, Joining, ServiceKind, Source, service_address
from opostd.store import accounts, outside, petitions, provision, sources
from opostd.store.petitions import Petition, PetitionToken, State
from opostd.store.run import Store

log = logging.getLogger("opostd.intake")

GRACE_S = 60  # what is this young is being done by the process that took it
DECIDED = "there is nothing to decide any more: somebody else was quicker, or the time was over"


class Membership:
    """One for each intake."""

    def __init__(
        self, store: Store, router: Router, office: Office, *, settings: GroupSettings, now: Callable[[], int]
    ) -> None:
        self._store = store
        self._router = router
        self._office = office
        self._settings = settings
        self._now = now

    async def ask(self, source: Source, *, leaves: bool, mail_from: str, account: Account | None) -> None:
        """Somebody wants to join or leave.  Raises Explained, LimitReached, Unavailable."""
        if source.joining is Joining.CLOSED:
            owners = service_address(source.address, ServiceKind.OWNER)
            raise Explained(f"the owners of this group decide who is in it: write to {owners}")
        address, owner = await self._applicant(mail_from, account)
        now = self._now()
        state = State.UNCONFIRMED if account is None else self._next(source, leaves)
        new = Petition(
            source.box, address, owner, leaves, state, False, now, now + self._settings.petition_days * 86400
        )
        if await self._reads(source, new) is not leaves:
            if account is not None:
                await self._answer(source, new, _already(source, leaves))
        elif account is None:
            token = new_token()
            if await self._store.run(petitions.begin, new, digest(token)):
                await self._office.send([await self._office.mailing(_confirmation(source, new, token), owner)])
        elif state is State.GRANTED:
            await self._do(source, new)
        elif await self._store.run(petitions.begin, new, ""):
            await self._tell(source, new)
            await self._answer(source, new, [f"An owner or moderator of {source.address} decides whether you join it."])
        else:
            await self._answer(source, new, [f"You have asked before; nobody has decided yet for {source.address}."])

    async def confirm(self, source: Source, token: str, account: Account | None) -> None:
        """A letter has come back, from whoever has it.  Raises Explained where it confirms nothing."""
        owner = None if account is None else account.owner
        found = await self._store.run(petitions.confirm, source.box, digest(token), owner, self._now())
        if found is None:
            raise Explained("there is nothing to confirm any more: it was done, or the time was over")
        if self._next(source, found.leaves) is State.GRANTED:
            await self._grant(source, found)
        elif source.joining is Joining.CLOSED:
            await self._store.run(petitions.remove, source.box, found.address)
            raise Explained("the owners of this group decide who is in it")
        else:
            await self._tell(source, found)

    async def by_token(self, source: Source, token: str, account: Account, *, accept: bool) -> None:
        """An owner or moderator decides in a letter.  Raises Explained."""
        found = await self._store.run(petitions.by_token, source.box, digest(token))
        if found is None or found[1] != account.owner:
            raise Explained(DECIDED)
        await self.decide(source, found[0].address, account, accept=accept)

    async def knows(self, source: Source, token: str) -> bool:
        """Whether the token is of a petition to this source."""
        return await self._store.run(petitions.by_token, source.box, digest(token)) is not None

    async def decide(self, source: Source, address: str, by: Account | None, *, accept: bool) -> None:
        """by: None is whoever runs the server.  Raises Explained, where nothing waits as well."""
        if by is not None and not by.admin:
            if not await self._store.run(provision.role, source.box, by.owner) & DECIDES:
                raise Explained("you are no owner and no moderator of this group")
        found = await self._store.run(petitions.petition, source.box, address)
        if found is None or found.state is not State.WAITING:
            raise Explained(DECIDED)
        if accept:
            await self._grant(source, found)
        elif await self._store.run(petitions.refuse, source.box, address):
            await self._answer(source, found, [f"You do not join {source.address}: it was not granted."])
        else:
            raise Explained(DECIDED)
        who = by.login if by is not None else "administrator"
        log.info("%s group=%s address=%s by=%s", "let in" if accept else "refused", source.address, address, who)

    async def once(self) -> int:
        """What was broken off is done; what nobody confirms or decides ends.  How many those were."""
        now = self._now()
        rows = await self._store.run(petitions.unfinished, now, now - GRACE_S)
        for row in rows:
            source = await self._store.run(provision.source, row.source)
            if source is None:
                await self._store.run(petitions.remove, row.source, row.address)
            else:
                with contextlib.suppress(Explained):  # decided by somebody else, or going
                    await self._go_on(source, row, now)
        return len(rows)

    async def _go_on(self, source: Source, row: Petition, now: int) -> None:
        if row.state is State.GRANTED:
            await self._do(source, row)
        elif row.expires > now:
            if self._next(source, row.leaves) is State.GRANTED:
                await self._grant(source, row)
            else:
                await self._tell(source, row)
        elif await self._store.run(petitions.remove, row.source, row.address) and row.state is State.WAITING:
            await self._answer(source, row, [f"You do not join {source.address}: nobody has decided in time."])

    # Steps

    @staticmethod
    def _next(source: Source, leaves: bool) -> State:
        """What follows once it is certain who asks."""
        return State.GRANTED if leaves or source.joining is Joining.OPEN else State.WAITING

    async def _grant(self, source: Source, row: Petition) -> None:
        found = await self._store.run(petitions.grant, source.box, row.address)
        if found is None:
            raise Explained(DECIDED)
        await self._do(source, found)

    async def _do(self, source: Source, row: Petition) -> None:
        """They join or leave, and hear of it; again is no error.  Last goes the petition, if there is one."""
        try:
            if row.owner == NOBODY:
                await self._elsewhere(source, row)
            elif row.leaves:
                await provision.leave(self._store, source.address, row.owner, self._now())
            else:
                await provision.join(self._store, source.address, row.owner, self._now())
        except (
            NoSuchAddress,
            NoSuchBox,
            LimitReached,
        ) as error:  # the group or the person is being removed, or it is full
            await self._store.run(petitions.remove, source.box, row.address)
            raise Explained(str(error)) from error
        log.info("%s group=%s address=%s", "left" if row.leaves else "joined", source.address, row.address)
        await self._answer(source, row, _done(source, row.leaves))
        await self._store.run(petitions.remove, source.box, row.address)

    async def _elsewhere(self, source: Source, row: Petition) -> None:
        if row.leaves:
            await self._store.run(outside.remove, source.box, row.address)
        else:
            await self._store.run(outside.add, source.box, row.address, new_return_path())

    async def _applicant(self, mail_from: str, account: Account | None) -> tuple[str, OwnerId]:
        """The address that asks, and whose it is.  Raises Explained."""
        if account is not None:
            return account.login, account.owner
        if not self._router.is_ours(mail_from):
            if not self._router.relay:
                raise Explained("log in to write to this address")
            try:
                return accounts.outside(mail_from).address, NOBODY
            except BadAddress as error:
                raise Explained("the sender is no address") from error
        found = await self._store.run(accounts.address, accounts.fold_address(mail_from, self._router.domains))
        if found is None or found.kind is not AddressKind.USER:
            raise Explained("log in to write to this address")
        return found.addr, found.owner

    async def _reads(self, source: Source, row: Petition) -> bool:
        if row.owner != NOBODY:
            return bool(await self._store.run(sources.targets, row.owner, source.box))
        members = await self._store.run(outside.members, source.box)
        return any(each.address.lower() == row.address.lower() for each in members)

    async def _answer(self, source: Source, row: Petition, text: Sequence[str]) -> None:
        letter = Letter(
            service_address(source.address, ServiceKind.REQUEST),
            source.title,
            row.address,
            f"About {source.address}",
            tuple(text),
            answers=True,
        )
        try:
            await self._office.send([await self._office.mailing(letter, row.owner)])
        except NoSuchBox:  # they are being removed
            log.info("nobody to answer address=%s", row.address)

    async def _tell(self, source: Source, row: Petition) -> None:
        """Those who decide; before it is noted, so that a letter may come twice and not never."""
        tokens: list[PetitionToken] = []
        mailings: list[Mailing] = []
        for owner, address in await self._router.deciders(source.box):
            token = new_token()
            tokens.append(PetitionToken(owner, digest(token)))
            mailings.append(await self._office.mailing(_notice(source, row, address, token), owner))
        await self._office.send(mailings)
        await self._store.run(petitions.note_told, source.box, row.address, tokens)


def _already(source: Source, leaves: bool) -> list[str]:
    return [f"You do not read {source.address}." if leaves else f"You read {source.address} already."]


def _done(source: Source, leaves: bool) -> list[str]:
    if leaves:
        return [f"You read {source.address} no more. What you have received stays yours."]
    return [
        f"You read {source.address} from now on.",
        "",
        f"To leave, write to <mailto:{service_address(source.address, ServiceKind.LEAVE)}>.",
    ]


def _confirmation(source: Source, row: Petition, token: str) -> Letter:
    """To whom is said to have asked."""
    request = service_address(source.address, ServiceKind.REQUEST)
    what = "leave" if row.leaves else "join"
    text = (
        f"Somebody, perhaps you, asks that {row.address} may {what} {source.address}.",
        "",
        "If it was you, answer this letter with the one word confirm, or use this address:",
        "",
        f"  <mailto:{request}?subject=confirm%20{token}>",
        "",
        f"If not, do nothing: it ends on {formatdate(row.expires)}, and until then no second letter comes.",
    )
    subject = f"[{token}] Please confirm: {what} {source.address}"
    return Letter(request, source.title, row.address, subject, text)


def _notice(source: Source, row: Petition, to: str, token: str) -> Letter:
    """To who decides."""
    request = service_address(source.address, ServiceKind.REQUEST)
    text = (
        f"{letters.shown(row.address)} asks to join {source.address}.",
        "",
        "Answer this letter with one word, accept or discard, or use one of these addresses:",
        "",
        f"  <mailto:{request}?subject=accept%20{token}>",
        f"  <mailto:{request}?subject=discard%20{token}>",
        "",
        f"It ends if nobody decides until {formatdate(row.expires)}. The answer counts from your own login only.",
    )
    return Letter(request, source.title, to, f"[{token}] Asks to join {source.address}", text)
