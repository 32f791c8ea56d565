"""How far a post has come, and what its being taken back has found: counts, and names for those who may have them."""

from dataclasses import dataclass

from opostd.intake.recalling import Recalling
from opostd.model.errors import Explained, NoSuchPost
from opostd.model.ids import PostId, post_id_text
from opostd.model.records import Account
from opostd.nouns.posts import found_in
from opostd.nouns.times import iso, iso_or_none
from opostd.store import accounts, reach, withdraw
from opostd.store import reached as reached_
from opostd.store.run import Store
from opostd.store.withdraw import Withdrawal


@dataclass(frozen=True, slots=True)
class Reached:
    """People, each once.  What fewer than ``reach.MIN_READERS`` have done with it (read to deleted_unread) is None.

    subscribed: for whom a group has it; carried: into whose boxes it has come from there; pending: who have not looked
    since; have_it: who has it now, however it came; end: when it was taken back, or comes to its end.
    """

    id: str
    subscribed: int
    carried: int
    pending: int
    have_it: int
    read: int | None
    flagged: int | None
    deleted: int | None
    deleted_unread: int | None
    end: str | None


@dataclass(frozen=True, slots=True)
class ByTime:
    """As in Reached; of a time of which only the readers' own rows tell, how many had it."""

    by: str
    have_it: int
    carried: int | None = None
    pending: int | None = None
    read: int | None = None
    deleted: int | None = None
    deleted_unread: int | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """state: pending, unread, read, flagged, deleted or deleted unread."""

    address: str
    state: str


@dataclass(frozen=True, slots=True)
class Recalled:
    """policy: ``all`` or ``unread``; had, read: how many boxes had it, had it read; kept: those that keep it."""

    id: str
    policy: str
    by: str
    had: int
    read: int
    removed: int
    kept: int


async def check_known(store: Store, recalling: Recalling, account: Account, post: PostId, now: int) -> None:
    """Whether somebody has a post, has written it, or owns its groups.  Raises NoSuchPost."""
    try:
        await recalling.check_look(post, account, names=False)
    except Explained as error:
        try:
            await found_in(store, account.owner, post, now)
        except NoSuchPost:
            raise NoSuchPost("there is no such post") from error


async def reached(store: Store, post: PostId, *, exact: bool = False) -> Reached:
    """The counts of one post.  exact: what few people did, too."""
    found = await store.run(reach.reach, post)
    end = await store.run(withdraw.withdrawal, post)
    shown = exact or _many(found)
    return Reached(
        post_id_text(post),
        found.subscribed,
        found.carried,
        found.pending,
        found.have,
        found.seen if shown else None,
        found.flagged if shown else None,
        found.gone if shown else None,
        found.dismissed if shown else None,
        iso_or_none(None if end is None else end.begins),
    )


async def over_time(store: Store, post: PostId, now: int, *, exact: bool = False) -> list[ByTime]:
    """The counts as they were kept now and then, before them how many had it, and at the end those of now.

    Nothing of fewer than ``reach.MIN_READERS``.
    """
    counts = await store.run(reach.reach, post)
    if not exact and not _many(counts):
        return []
    kept = [*await store.run(reached_.of_post, post), (now, counts)]
    hours = [each for each in await store.run(reach.arrivals, post) if each[0] < kept[0][0]]
    return [
        *(ByTime(iso(at), have) for at, have in hours),
        *(
            ByTime(iso(at), each.have, each.carried, each.pending, each.seen, each.gone, each.dismissed)
            for at, each in kept
        ),
    ]


def _many(counts: reach.Reach) -> bool:
    return max(counts.subscribed, counts.have) >= reach.MIN_READERS


async def names(store: Store, post: PostId) -> list[Reader]:
    """Person by person, by address: for owners of its groups alone."""
    readers = await store.run(reach.readers, post)
    people = await store.run(accounts.accounts_by_owner, [each.owner for each in readers])
    found = [Reader(people[each.owner].login, each.state) for each in readers if each.owner in people]
    return sorted(found, key=lambda each: each.address)


def recalled(post: PostId, done: Withdrawal) -> Recalled:
    return Recalled(
        post_id_text(post),
        done.policy.name.lower(),
        done.by,
        done.removed + done.kept,
        done.removed_seen + done.kept_seen,
        done.removed,
        done.kept,
    )
