"""Posts in one's mailboxes: listed, read, marked, moved, removed."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from opostd.api.caller import BoxName, Me, PostName
from opostd.http.raw import raw_of
from opostd.http.services import Services
from opostd.model.errors import NoSuchPost
from opostd.model.flags import ANSWERED, FLAGGED, SEEN, FlagAction, Flags
from opostd.model.ids import OwnerId, PostId
from opostd.nouns import bodies
from opostd.nouns import posts as nouns
from opostd.nouns.posts import Found, Page, Post, post_id
from opostd.store import boxes, flags, moves

MAX_PAGE = 200
# Nothing of a message runs, is fetched, or can be taken for a page of this server
MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; sandbox"
)


class Change(BaseModel):
    """What is to be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    seen: bool | None = None
    flagged: bool | None = None
    answered: bool | None = None
    box: str | None = Field(default=None, max_length=1000, description="The mailbox to move it to.")


async def list_posts(
    me: Me,
    box: Annotated[str, Query(max_length=1000, description="Which mailbox.")] = "INBOX",
    unread: Annotated[bool, Query(description="Only what was not read.")] = False,
    before: Annotated[int | None, Query(ge=1, le=2**32, description="Only UIDs below: ``next`` of a page.")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page:
    return await nouns.page(me.store, me.owner, box, unread=unread, before=before, limit=limit, now=me.now)


async def show_post(me: Me, id_: PostName) -> Post:
    return await nouns.one(me.store, me.account, post_id(id_), me.now)


async def show_text(me: Me, id_: PostName) -> Response:
    post = await _mine(me, id_)
    return Response((await bodies.body(me.store, post)).text, media_type="text/plain")


async def show_html(me: Me, id_: PostName) -> Response:
    post = await _mine(me, id_)
    html = await bodies.clean_html(me.services.cleaner, await bodies.body(me.store, post))
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": MESSAGE_POLICY})


async def show_raw(me: Me, id_: PostName) -> Response:
    post = await _mine(me, id_)
    return await raw_of(me.services, post)


async def _mine(me: Me, id_: str) -> PostId:
    """Raises NoSuchPost where one has it not."""
    post = post_id(id_)
    await nouns.found_in(me.store, me.owner, post, me.now)
    return post


async def change_post(me: Me, id_: PostName, change: Change, box: BoxName = "") -> Post:
    post = post_id(id_)
    found = await _found(me, post, box)
    for action, bits in _bits(change).items():
        if bits:
            for each, row in found:
                await me.store.run(
                    flags.store_flags, me.owner, each.box, [(row.uid, row.uid)], action, Flags(bits), None
                )
    if change.box is not None:
        await _move(me.services, me.owner, found if box else nouns.movable(found), change.box)
    return await nouns.one(me.store, me.account, post, me.now)


def _bits(change: Change) -> dict[FlagAction, int]:
    wanted = ((change.seen, SEEN), (change.flagged, FLAGGED), (change.answered, ANSWERED))
    return {
        FlagAction.ADD: sum(bit for value, bit in wanted if value is True),
        FlagAction.REMOVE: sum(bit for value, bit in wanted if value is False),
    }


async def _move(services: Services, owner: OwnerId, found: Found, name: str) -> None:
    target = await services.store.run(boxes.box_named, owner, name)
    for each, row in found:
        if each.box != target.box:
            await services.store.run(moves.move, owner, each.box, target.box, [row.uid], services.now(), services.quota)


async def delete_post(me: Me, id_: PostName, box: BoxName = "") -> Response:
    for each, row in await _found(me, post_id(id_), box):
        await me.store.run(moves.expunge, me.owner, each.box, [row.uid], False)
    return Response(status_code=204)


async def _found(me: Me, post: PostId, name: str) -> Found:
    """Where one has it; name: only there.  Raises NoSuchPost, NoSuchBox."""
    found = await nouns.found_in(me.store, me.owner, post, me.now)
    if not name:
        return found
    only = await me.store.run(boxes.box_named, me.owner, name)
    chosen = [(each, row) for each, row in found if each.box == only.box]
    if not chosen:
        raise NoSuchPost("the post is not in this mailbox")
    return chosen
