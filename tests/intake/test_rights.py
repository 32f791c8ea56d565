"""Who may post, and who waits for a moderator: the whole of it in two tables."""

import pytest

from opostd.intake.rights import asks_below, asks_for_roles, is_held, may_decide, may_post
from opostd.model.ids import SYSTEM_OWNER, BoxId, OwnerId
from opostd.model.records import Account, AccountState, MemberRole, Moderation, PostPolicy, Source

SOMEBODY = Account(OwnerId(7), "anna@opost.example", "", None, AccountState.ACTIVE, False, 0)
ADMIN = Account(OwnerId(8), "root@opost.example", "", None, AccountState.ACTIVE, True, 0)
ROLES = {
    "nothing": MemberRole(0), "reader": MemberRole.READER, "sender": MemberRole.SENDER, "owner": MemberRole.OWNER,
    "moderator": MemberRole.MODERATOR, "trusted": MemberRole.TRUSTED,
}  # fmt: skip
NAMED = {"sender", "owner", "moderator"}


def source(post: PostPolicy = PostPolicy.LOCAL, moderation: Moderation = Moderation.NONE) -> Source:
    return Source(SYSTEM_OWNER, BoxId(5), "team@opost.example", "team", post, moderation=moderation)


MAY_POST = {
    PostPolicy.ANYONE: set(ROLES),
    PostPolicy.LOCAL: set(ROLES),
    PostPolicy.MEMBERS: NAMED | {"reader"},
    PostPolicy.NAMED: NAMED,
    PostPolicy.ADMINS: NAMED,
}
GO_ON = {
    Moderation.NONE: set(ROLES),
    Moderation.NON_MEMBERS: NAMED | {"reader"},
    Moderation.FIRST_POST: NAMED | {"trusted"},
    Moderation.ALL: {"owner", "moderator"},
    Moderation.SECOND: set(),
}


@pytest.mark.parametrize("policy", PostPolicy)
def test_who_may_post(policy: PostPolicy) -> None:
    assert {name for name, roles in ROLES.items() if may_post(source(policy), SOMEBODY, roles)} == MAY_POST[policy]
    assert may_post(source(policy), ADMIN, MemberRole(0))
    assert may_post(source(policy), None, MemberRole(0)) is (policy is PostPolicy.ANYONE)


@pytest.mark.parametrize("moderation", Moderation)
def test_whose_posts_go_on(moderation: Moderation) -> None:
    here = source(PostPolicy.ANYONE, moderation)
    assert {name for name, roles in ROLES.items() if not is_held(here, SOMEBODY, roles)} == GO_ON[moderation]
    assert is_held(here, ADMIN, MemberRole(0)) is (moderation is Moderation.SECOND)
    assert is_held(here, None, MemberRole(0)) is (moderation is not Moderation.NONE)


def test_no_look_up_where_it_does_not_matter() -> None:
    """Whatever is not looked up must not change the answer."""
    for policy in PostPolicy:
        for moderation in Moderation:
            here = source(policy, moderation)
            answers = {(may_post(here, SOMEBODY, r), is_held(here, SOMEBODY, r)) for r in ROLES.values()}
            if not asks_for_roles(here):
                assert len(answers) == 1, (policy, moderation)
            for roles in ROLES.values():
                if not asks_below(here, roles):
                    more = roles | MemberRole.READER
                    assert may_post(here, SOMEBODY, roles) == may_post(here, SOMEBODY, more)
                    assert is_held(here, SOMEBODY, roles) == is_held(here, SOMEBODY, more)
    assert not asks_for_roles(source(PostPolicy.LOCAL))
    assert not asks_for_roles(source(PostPolicy.ANYONE))


def test_who_decides() -> None:
    here, second = source(moderation=Moderation.ALL), source(moderation=Moderation.SECOND)
    decides = {name for name, roles in ROLES.items() if may_decide(here, SOMEBODY, roles, author=7)}
    assert decides == {"owner", "moderator"}
    assert may_decide(here, ADMIN, MemberRole(0), author=8)
    assert not may_decide(second, SOMEBODY, MemberRole.OWNER, author=7)
    assert may_decide(second, SOMEBODY, MemberRole.OWNER, author=8)
    assert not may_decide(second, ADMIN, MemberRole(0), author=8)
