"""``opostd group role``: who owns a group, moderates it, or is a named sender of it."""

from typing import TYPE_CHECKING

import click

from opostd.cli.common import names, run_in_store
from opostd.cli.source import source_of
from opostd.cli.user import account_of
from opostd.config import Settings
from opostd.model.records import MemberRole

if TYPE_CHECKING:
    from opostd.store.run import Store

ROLES = {role.name.lower(): role for role in MemberRole if role is not MemberRole.READER and role.name}


def role_names(roles: MemberRole) -> str:
    """``owner, reader``: in the order of the alphabet."""
    return ", ".join(sorted(str(role.name).lower() for role in roles)) or "nothing"


@click.command("role")
@click.argument("group")
@click.argument("address")
@click.argument("roles", metavar="ROLE[,ROLE]")
@click.option("--remove", is_flag=True, help="Take the roles away.")
def role(group: str, address: str, roles: str, remove: bool) -> None:
    """Make somebody owner, moderator or named sender of a group; each of them may post whatever the policy.

    An owner hears what becomes of the group, and may do what a moderator may. Without an owner the administrators are.

    Example: opostd group role team anna owner,moderator
    """
    wanted = MemberRole(0)
    for name in names(roles):
        if name.lower() not in ROLES:
            raise click.UsageError(f"a role is one of {', '.join(ROLES)}, not {name!r}")
        wanted |= ROLES[name.lower()]
    if not wanted:
        raise click.UsageError(f"a role is needed: {', '.join(ROLES)}")

    async def flow(store: "Store", settings: Settings) -> tuple[str, str, MemberRole]:
        from opostd.store import provision

        source = await source_of(store, settings, group)
        account = await account_of(store, settings, address)
        change = provision.take_role if remove else provision.give_role
        await change(store, source.addr, account.owner, wanted)
        return account.login, source.addr, await store.run(provision.role, source.box, account.owner)

    login, addr, now_has = run_in_store(flow)
    click.echo(f"{login}   {role_names(now_has)} of {addr}")
