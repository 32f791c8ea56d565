"""Letters of the server become mail: kept, and on their way."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence

from opostd.intake import letters
from opostd.intake.letters import Letter
from opostd.mime.facts import new_post
from opostd.model.ids import NOBODY, OwnerId
from opostd.model.mailing import Mailing, Notify, Outside, Place, Recipient, Target, Wish
from opostd.model.new_ids import new_post_id
from opostd.store import boxes, posts
from opostd.store.run import Store

TOKEN_OCTETS = 16


def new_token() -> str:
    """26 letters and digits that nobody guesses, in no case that a mail program might change."""
    return base64.b32encode(secrets.token_bytes(TOKEN_OCTETS)).decode().rstrip("=").lower()


def digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Office:
    """kept: told of letters that are kept, to be delivered.  now: seconds since 1970."""

    def __init__(
        self, store: Store, *, hostname: str, kept: Callable[[Sequence[Mailing]], None], now: Callable[[], int]
    ) -> None:
        self._store = store
        self._hostname = hostname
        self._kept = kept
        self._now = now

    async def mailing(self, letter: Letter, owner: OwnerId) -> Mailing:
        """A letter to one of us, for their INBOX; NOBODY is somebody elsewhere.  Keeping it is the caller's."""
        id_, now = new_post_id(), self._now()
        octets = letters.octets(letter, hostname=self._hostname, id_=id_, now=now)
        made = await asyncio.to_thread(new_post, octets, id=id_, now=now)
        place: Place = Outside(letter.to)
        if owner != NOBODY:
            place = Target(owner, (await self._store.run(boxes.box_named, owner, "INBOX")).box)
        return Mailing(made, (Recipient(Wish(letter.to, Notify.NEVER), (place,)),))

    async def send(self, mailings: Sequence[Mailing]) -> None:
        """Keeps letters; they are on their way when this returns.  Raises Unavailable."""
        await self._store.run(posts.accept, mailings, self._now())
        self._kept(mailings)
