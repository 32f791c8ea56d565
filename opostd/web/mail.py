"""Pages of one's mail: a mailbox, a post, and how far a post of one's own has come."""

from starlette.responses import Response

from opostd.http.caller import Caller
from opostd.http.raw import raw_of
from opostd.model.errors import Explained, NoSuchBox
from opostd.model.flags import SEEN, FlagAction, Flags
from opostd.model.ids import PostId
from opostd.nouns import bodies, boxes, posts, reaching
from opostd.nouns.posts import post_id
from opostd.nouns.reaching import Reached
from opostd.store import boxes as stored
from opostd.store import flags, moves
from opostd.web import render
from opostd.web.visit import Visit

SHOWN = 50


async def inbox(visit: Visit) -> Response:
    me, before = visit.me, visit.query.get("before", "")
    since = int(before) if before.isascii() and before.isdecimal() and 0 < len(before) < 11 else None
    name = visit.query.get("box", "INBOX")
    page = await posts.page(me.store, me.owner, name, unread=False, before=since, limit=SHOWN, now=me.now)
    listing = await boxes.listing(me.store, me.owner, me.now)
    return render.page("inbox", visit.session, page=page, boxes=listing)


async def post(visit: Visit) -> Response:
    """Whoever opens it has read it, as in a mail program."""
    me, id_ = visit.me, post_id(visit.names["id"])
    await _mark(me, id_, FlagAction.ADD)
    return render.page(
        "post", visit.session, post=await posts.one(me.store, me.account, id_, me.now), reached=await _reached(me, id_)
    )


async def _mark(me: Caller, id_: PostId, action: FlagAction) -> None:
    for box, row in await posts.found_in(me.store, me.owner, id_, me.now):
        if bool(row.bits & SEEN) is not (action is FlagAction.ADD):
            await me.store.run(
                flags.store_flags, me.owner, box.box, [(row.uid, row.uid)], action, Flags(SEEN), None
            )  # fmt: skip


async def _reached(me: Caller, id_: PostId) -> Reached | None:
    """None where one may not see it."""
    try:
        await me.intake.recalling.check_look(id_, me.account, names=False)
    except Explained:
        return None
    return await reaching.reached(me.store, id_)


async def body(visit: Visit) -> Response:
    me, id_ = visit.me, post_id(visit.names["id"])
    await posts.found_in(me.store, me.owner, id_, me.now)
    return await framed(me, id_)


async def source(visit: Visit) -> Response:
    """The message with all that is in it, for a mail program: attachments are not shown here."""
    me, id_ = visit.me, post_id(visit.names["id"])
    await posts.found_in(me.store, me.owner, id_, me.now)
    return await raw_of(me.services, id_)


async def framed(me: Caller, id_: PostId) -> Response:
    """What is shown in the frame."""
    found = await bodies.body(me.store, id_)
    return render.message(await bodies.clean_html(me.services.cleaner, found))


async def unread(visit: Visit) -> Response:
    await _mark(visit.me, post_id(visit.names["id"]), FlagAction.REMOVE)
    return render.go("/inbox")


async def trash(visit: Visit) -> Response:
    me = visit.me
    target = next((each for each in await me.store.run(stored.boxes, me.owner) if each.role == "Trash"), None)
    if target is None:
        raise NoSuchBox("there is no mailbox for what is thrown away")
    found = await posts.found_in(me.store, me.owner, post_id(visit.names["id"]), me.now)
    for box, row in posts.movable(found):
        if box.box != target.box:
            await me.store.run(moves.move, me.owner, box.box, target.box, [row.uid], me.now, me.services.quota)
    return render.go("/inbox")


async def recall(visit: Visit) -> Response:
    me, id_ = visit.me, post_id(visit.names["id"])
    await reaching.check_known(me.store, me.intake.recalling, me.account, id_, me.now)
    await me.intake.recalling.begin(id_, me.account)
    done = reaching.recalled(id_, await me.intake.recalling.finish(id_))
    return render.page("recalled", visit.session, done=done)
