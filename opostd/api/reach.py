"""How far a post of one's own has come, and taking it back."""

from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from opostd.api.caller import Me, PostName
from opostd.model.ids import PostId
from opostd.nouns import reaching
from opostd.nouns.posts import post_id
from opostd.nouns.reaching import ByTime, Reached, Reader, Recalled

Exact = Annotated[bool, Query(description="What fewer than five people did, too: for owners of its groups.")]


class Recall(BaseModel):
    """How a post is taken back."""

    model_config = ConfigDict(extra="forbid")

    unread_only: bool = False


async def show_reach(me: Me, id_: PostName, exact: Exact = False) -> Reached:
    return await reaching.reached(me.store, await _allowed(me, id_, names=exact), exact=exact)


async def over_time(me: Me, id_: PostName, exact: Exact = False) -> list[ByTime]:
    return await reaching.over_time(me.store, await _allowed(me, id_, names=exact), me.now, exact=exact)


async def readers(me: Me, id_: PostName) -> list[Reader]:
    return await reaching.names(me.store, await _allowed(me, id_, names=True))


async def recall(me: Me, id_: PostName, how: Recall) -> Recalled:
    post = await _known(me, id_)
    recalling = me.intake.recalling
    await recalling.begin(post, me.account, unread_only=how.unread_only)
    return reaching.recalled(post, await recalling.finish(post))


async def _allowed(me: Me, id_: str, *, names: bool) -> PostId:
    """Raises NoSuchPost where one may not know of the post, Explained where one may not see this of it."""
    post = await _known(me, id_)
    await me.intake.recalling.check_look(post, me.account, names=names)
    return post


async def _known(me: Me, id_: str) -> PostId:
    post = post_id(id_)
    await reaching.check_known(me.store, me.intake.recalling, me.account, post, me.now)
    return post
