"""A new post: written in Markdown, or a whole message; answered after the commit."""

import logging
import re
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opostd.api.caller import PREFIX, Me
from opostd.api.problem import BadRecipients, BadRequest
from opostd.config import Markdown
from opostd.http.services import Services
from opostd.intake.addressing import recipient_address, specs
from opostd.intake.append import off_loop
from opostd.intake.draft import draft
from opostd.intake.intake import Trace
from opostd.intake.message import read
from opostd.model.errors import BadAddress, LimitReached, NoSuchBox, OverQuota, Refused
from opostd.model.flags import SEEN
from opostd.model.ids import PostId, post_id_text
from opostd.model.mailing import Outside, Recipient, Target
from opostd.model.records import Account
from opostd.store import boxes, posts
from opostd.store.delivery import Delivery, deliver

log = logging.getLogger("opostd.api")

MESSAGE = "message/rfc822"
MAX_ADDRESS = 1000  # characters; the directory has less
Addressed = Annotated[str, Field(max_length=MAX_ADDRESS)]


class NewPost(BaseModel):
    """A post to people, groups, or everyone."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    to: list[Addressed] = Field(default_factory=list, max_length=1000)
    cc: list[Addressed] = Field(default_factory=list, max_length=1000)
    bcc: list[Addressed] = Field(default_factory=list, max_length=1000)
    subject: str = Field(default="", max_length=2000)
    text: str = Field(default="", description="Markdown; kept as it is beside the HTML that is made of it.")
    sender: Addressed | None = Field(default=None, alias="from", description="One of your own addresses.")
    sent_copy: bool = Field(default=True, description="Whether it goes into your mailbox for what was sent.")


@dataclass(frozen=True, slots=True)
class Sent:
    """boxes: it goes into here; remote: addresses of other servers; waiting: of the boxes, for a moderator."""

    id: str
    boxes: int
    remote: int
    waiting: int


@dataclass(frozen=True, slots=True)
class _Outgoing:
    raw: bytes
    sender: str
    recipients: list[str]
    markdown: Markdown


async def send_post(
    me: Me,
    request: Request,
    to: Annotated[list[Addressed] | None, Query(max_length=1000, description="Of a whole message.")] = None,
    sent_copy: Annotated[bool, Query(description="Of a whole message.")] = True,
) -> Response:
    """A post as JSON, or a whole message (``message/rfc822``): its To, Cc and Bcc count where ``to`` is not given."""
    body = await request.body()
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == MESSAGE:
        outgoing = await _of_message(me, body, to or [])
    else:
        try:
            new = NewPost.model_validate_json(body)
        except ValidationError as error:
            found = [{"where": list(each["loc"]), "what": each["msg"]} for each in error.errors()]
            raise BadRequest(found) from error
        outgoing, sent_copy = _of_draft(me, new), new.sent_copy
    post, recipients = await _submit(me, outgoing)
    more = f"+{len(recipients) - 1}" if len(recipients) > 1 else ""
    log.info(
        "accepted from=%s to=%s%s size=%d id=%s",
        outgoing.sender,
        recipients[0].wish.address,
        more,
        len(outgoing.raw),
        post_id_text(post),
    )
    if sent_copy:
        await keep_copy(me.services, me.account, post)
    places = {place for each in recipients for place in each.places}
    targets = [place for place in places if isinstance(place, Target)]
    remote = sum(isinstance(place, Outside) for place in places)
    sent = Sent(post_id_text(post), len(targets), remote, sum(place.held for place in targets))
    return JSONResponse(
        {"id": sent.id, "boxes": sent.boxes, "remote": sent.remote, "waiting": sent.waiting},
        status_code=201,
        headers={"Location": f"{PREFIX}/posts/{sent.id}"},
    )


def _of_draft(me: Me, new: NewPost) -> _Outgoing:
    to, cc = [_address(me.services, each) for each in new.to], [_address(me.services, each) for each in new.cc]
    bcc = [_address(me.services, each) for each in new.bcc]
    sender = me.folded(new.sender) if new.sender is not None else me.account.login
    name = me.account.name if sender == me.account.login else ""
    raw = draft(new.text, sender=sender, name=name, to=to, cc=cc, subject=new.subject, now=me.now)
    return _Outgoing(raw, sender, [*to, *cc, *bcc], "plain")


async def _of_message(me: Me, body: bytes, to: list[str]) -> _Outgoing:
    raw = body if b"\r" in body else await off_loop(len(body), partial(body.replace, b"\n", b"\r\n"))
    message = await off_loop(len(raw), partial(read, raw, me.services.settings.limits))
    named = to or [spec for name in (b"to", b"cc", b"bcc") for each in message.all(name) for spec in specs(each)]
    recipients = [_address(me.services, each) for each in named]
    return _Outgoing(raw, me.account.login, recipients, me.services.settings.submission.markdown)


def _address(services: Services, text: str) -> str:
    """As the directory has it.  Raises BadRecipients."""
    settings = services.settings
    try:
        return recipient_address(text, settings.domains, relay=settings.relay.via != "off")
    except BadAddress as error:
        raise BadRecipients([(re.sub(r"\s+", " ", text)[:MAX_ADDRESS], str(error))]) from error


async def _submit(me: Me, outgoing: _Outgoing) -> tuple[PostId, list[Recipient]]:
    """To all of them, or to none.  Raises BadRecipients, and as ``Intake.submit``."""
    intake = me.intake
    if len(outgoing.recipients) > me.services.settings.limits.max_recipients:
        raise LimitReached(f"more than {me.services.settings.limits.max_recipients} recipients")
    found: list[Recipient] = []
    refused: list[tuple[str, str]] = []
    for address in dict.fromkeys(outgoing.recipients):
        try:
            recipient = await intake.recipient(address, me.account)
            await intake.check_room(recipient.places, len(outgoing.raw))
            found.append(recipient)
        except Refused as error:
            refused.append((address, str(error)))
    if refused or not found:
        raise BadRecipients(refused or [("", "a post needs a recipient")])
    trace = Trace(peer=me.client.peer, protocol="HTTPS" if me.client.secure else "HTTP", login=me.account.login)
    post = await intake.submit(
        outgoing.raw,
        mail_from=outgoing.sender,
        recipients=found,
        account=me.account,
        markdown=outgoing.markdown,
        trace=trace,
    )
    return post, found


async def keep_copy(services: Services, account: Account, post: PostId) -> None:
    """A row of the very post in the mailbox with the use Sent, where there is one with room for it."""
    facts = (await services.store.run(posts.facts, [post])).get(post)
    sent = next((each for each in await services.store.run(boxes.boxes, account.owner) if each.role == "Sent"), None)
    if facts is None or sent is None:  # a letter to the server itself is kept nowhere
        return
    delivery = Delivery(post, facts.size, services.now(), SEEN)
    try:
        await services.store.run(deliver, account.owner, sent.box, [delivery], services.now(), services.quota)
    except (OverQuota, LimitReached, NoSuchBox):
        return  # it was sent, and that is what was promised
