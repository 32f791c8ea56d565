"""Messages over a connection to another server, one after the other, and what became of each recipient.

RFC 2920 (PIPELINING), RFC 1870 (SIZE), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 2852 (DELIVERBY), RFC 3461 5.2.1
(DSN), RFC 8689 (REQUIRETLS), RFC 6710 (MT-PRIORITY).  What must stay true: a recipient is delivered to where the end of
the message was answered so, and nowhere else; the octets that make the server answer for it are sent only while the
rows are ours.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from opostd.model.mailing import NO_TERMS, Notify, Terms, Wish
from opostd.worker.answer import EXPIRED, Answer, BadAnswer, Fate, Outcome, outcome
from opostd.worker.connection import Connection, why
from opostd.worker.message import Parcel

CHUNK = 64 * 1024
NO_REQUIRETLS = "5.7.30"  # RFC 8689 4.2.1


@dataclass(frozen=True, slots=True)
class Envelope:
    """Of one transaction.  sender: empty for ``<>``; envid, ret, terms: as they came; by_s: left until deliver_by."""

    sender: str
    wishes: tuple[Wish, ...]
    envid: str = ""
    ret: str = ""
    terms: Terms = NO_TERMS
    by_s: int = 0


class Session(Connection):
    """``send`` may be called while ``alive``."""

    async def send(self, envelope: Envelope, parcel: Parcel, still_ours: Callable[[], bool]) -> list[Outcome] | None:
        """What became of each recipient, in order; None where it turned out, before the end, to be no more ours.

        still_ours: asked before the octets that make the server answer for the message.
        """
        self.sent += 1
        self.heard = False
        refusal = self._unfit(envelope, parcel)
        if refusal is not None:
            return [refusal] * len(envelope.wishes)
        outcomes: list[Outcome | None] = [None] * len(envelope.wishes)
        try:
            if await self._name(envelope, parcel, outcomes):
                if not await self._data(parcel, outcomes, still_ours):
                    return None
            elif self.alive:
                await self._ask("RSET")
        except (OSError, TimeoutError, BadAnswer, asyncio.IncompleteReadError) as error:
            self.abort()
            lost = Outcome(Fate.LATER, "4.4.2", f"connection to {self.host.name} lost: {why(error)}")
            return [each or lost for each in outcomes]
        left = Outcome(Fate.LATER, "4.4.2", f"{self.host.name} closed the connection")
        return [each or left for each in outcomes]

    # -- a message -----------------------------------------------------------------------------------------------

    def _unfit(self, envelope: Envelope, parcel: Parcel) -> Outcome | None:
        """Why this server cannot take this message."""
        names = [envelope.sender, *(wish.address for wish in envelope.wishes)]
        if "SMTPUTF8" not in self._offers and (parcel.wide or not all(each.isascii() for each in names)):
            return Outcome(Fate.FAILED, "5.6.7", f"{self.host.name} takes no addresses or headers in UTF-8")
        if parcel.eight_bit and "8BITMIME" not in self._offers:
            return Outcome(Fate.FAILED, "5.6.3", f"{self.host.name} takes no 8-bit message")
        if envelope.terms.require_tls and not self.keeps_tls:
            return Outcome(Fate.FAILED, NO_REQUIRETLS, f"{self.host.name} does not keep to REQUIRETLS")
        if envelope.terms.returned_after:
            least = self._offers.get("DELIVERBY")
            if least is None:
                return Outcome(Fate.FAILED, "5.3.3", f"{self.host.name} promises no time of delivery")
            if envelope.by_s < (int(least) if least.isascii() and least.isdigit() and len(least) < 10 else 1):
                return Outcome(Fate.FAILED, EXPIRED, f"{self.host.name} cannot deliver in {max(envelope.by_s, 0)} s")
        limit = self._offers.get("SIZE", "")
        if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < parcel.size:
            return Outcome(Fate.FAILED, "5.3.4", f"{self.host.name} takes {limit[:20]} octets at most")
        return None

    async def _name(self, envelope: Envelope, parcel: Parcel, outcomes: list[Outcome | None]) -> bool:
        """MAIL and RCPT; the outcome of each that is refused.  Whether one was taken."""
        commands = [self._mail(envelope, parcel), *(self._rcpt(wish) for wish in envelope.wishes)]
        pipelining = "PIPELINING" in self._offers
        if pipelining:
            await self._write("".join(f"{command}\r\n" for command in commands).encode())
        for at, command in enumerate(commands):
            said = await (self._answer() if pipelining else self._ask(command))
            if said.code == 421:
                self._end(said, outcomes)
                return False
            if at == 0 and not said.good:
                for _ in commands[1:] if pipelining else ():
                    await self._answer()
                outcomes[:] = [outcome(said, self.host.name)] * len(outcomes)
                return False
            if at > 0 and not said.good:
                if said.code == 552:
                    said = Answer(452, "4.5.3", said.text)  # RFC 5321 4.5.3.1.10
                outcomes[at - 1] = outcome(said, self.host.name)
        return any(each is None for each in outcomes)

    async def _data(self, parcel: Parcel, outcomes: list[Outcome | None], still_ours: Callable[[], bool]) -> bool:
        """The message; whether it was ours to the end."""
        said = await self._ask("DATA")
        if said.code == 354:
            body, end = parcel.stuffed[:-3], parcel.stuffed[-3:]
            for at in range(0, len(body), CHUNK):
                await self._write(body[at : at + CHUNK], self._timeouts.chunk_s)
            if not still_ours():
                self.abort()
                return False
            await self._write(end)
            said = await self._answer(self._timeouts.end_s)
            if 300 <= said.code < 400:
                raise BadAnswer(f"an answer to no message: {said}")
        elif said.good:
            raise BadAnswer(f"an answer to no DATA: {said}")
        reports, timed = "DSN" in self._offers, "DELIVERBY" in self._offers
        outcomes[:] = [each or outcome(said, self.host.name, reports=reports, timed=timed) for each in outcomes]
        if said.code == 421:
            self.abort()
        return True

    def _end(self, said: Answer, outcomes: list[Outcome | None]) -> None:
        self.abort()
        outcomes[:] = [each or outcome(said, self.host.name) for each in outcomes]

    def _mail(self, envelope: Envelope, parcel: Parcel) -> str:
        words = [f"MAIL FROM:<{envelope.sender}>"]
        if "SIZE" in self._offers:
            words.append(f"SIZE={parcel.size}")
        if "8BITMIME" in self._offers and parcel.eight_bit:
            words.append("BODY=8BITMIME")
        if parcel.wide or not all(each.isascii() for each in (envelope.sender, *(w.address for w in envelope.wishes))):
            words.append("SMTPUTF8")
        if envelope.terms.require_tls:
            words.append("REQUIRETLS")
        if envelope.terms.priority and "MT-PRIORITY" in self._offers:
            words.append(f"MT-PRIORITY={envelope.terms.priority}")
        if envelope.terms.by_mode and "DELIVERBY" in self._offers:
            words.append(f"BY={envelope.by_s};{envelope.terms.by_mode.upper()}")
        if "DSN" in self._offers:
            words += [f"RET={envelope.ret}"] * bool(envelope.ret) + [f"ENVID={envelope.envid}"] * bool(envelope.envid)
        return " ".join(words)

    def _rcpt(self, wish: Wish) -> str:
        words = [f"RCPT TO:<{wish.address}>"]
        if "DSN" in self._offers:
            if wish.notify:
                words.append("NOTIFY=" + ",".join(each.name or "" for each in Notify if each in wish.notify))
            if wish.orcpt:
                words.append(f"ORCPT={wish.orcpt}")
        return " ".join(words)
