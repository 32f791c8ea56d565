"""Who may post to a source, and whose posts wait for a moderator.

Pure.  What must stay true: only a login proves who somebody is, so whoever has not logged in is nobody's member; an
administrator may post everywhere; who has been named may post whatever the policy, for that is what a role is given
for.
"""

from opostd.model.records import Account, MemberRole, Moderation, PostPolicy, Source

NAMED = MemberRole.SENDER | MemberRole.MODERATOR | MemberRole.OWNER
DECIDES = MemberRole.MODERATOR | MemberRole.OWNER

# Whose posts go on at once, beside administrators'; a moderation that is not here holds all posts.
_GO_ON = {
    Moderation.NON_MEMBERS: NAMED | MemberRole.READER,
    Moderation.FIRST_POST: NAMED | MemberRole.TRUSTED,
    Moderation.ALL: DECIDES,
}


def asks_for_roles(source: Source) -> bool:
    """Whether it matters what somebody who has logged in is to the source: else no look-up is spent on it."""
    if source.moderation in _GO_ON:
        return True
    return source.post not in (PostPolicy.ANYONE, PostPolicy.LOCAL)


def asks_below(source: Source, roles: MemberRole) -> bool:
    """Whether it matters that somebody reads a group inside of this one."""
    if source.moderation is Moderation.NON_MEMBERS and not roles & _GO_ON[source.moderation]:
        return True
    return source.post is PostPolicy.MEMBERS and not roles & (NAMED | MemberRole.READER)


def may_post(source: Source, account: Account | None, roles: MemberRole) -> bool:
    """roles: of the account in the source; READER counts if it is of a group inside of it, too."""
    if source.post is PostPolicy.ANYONE:
        return True
    if account is None:
        return False
    if account.admin or source.post is PostPolicy.LOCAL or roles & NAMED:
        return True
    return source.post is PostPolicy.MEMBERS and MemberRole.READER in roles


def is_held(source: Source, account: Account | None, roles: MemberRole) -> bool:
    """Whether a post waits for a moderator.  roles: as in ``may_post``."""
    if source.moderation in (Moderation.NONE, Moderation.SECOND):
        return source.moderation is Moderation.SECOND
    if account is None:
        return True
    return not account.admin and not roles & _GO_ON[source.moderation]


def may_decide(source: Source, account: Account, roles: MemberRole, author: int) -> bool:
    """Whether somebody may accept a post.  author: the account that has sent it, 0 for nobody."""
    if source.moderation is Moderation.SECOND and account.owner == author:
        return False
    return account.admin or bool(roles & DECIDES)
