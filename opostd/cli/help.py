"""``opostd help``: every command with its verbs, or the help of one."""

import click

from opostd.cli.tree import COMMANDS, LazyGroup


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, words: tuple[str, ...]) -> None:
    """All commands, or one of them.

    Example: opostd help user add
    """
    root = ctx.find_root()
    assert isinstance(root.command, LazyGroup)
    if words:
        click.echo(_help_of(root, root.command, list(words)))
        return
    for name in COMMANDS:
        found = root.command.get_command(root, name)
        click.echo(f"opostd {name:10} {COMMANDS[name][1]}")
        if isinstance(found, click.Group):
            for verb in found.list_commands(root):
                each = found.get_command(root, verb)
                click.echo(f"  {verb:15} {each.get_short_help_str(90) if each else ''}")


def _help_of(ctx: click.Context, group: click.Group, words: list[str]) -> str:
    found = group.get_command(ctx, words[0])
    if found is None:
        raise click.UsageError(f"there is no command {words[0]!r}")
    inner = click.Context(found, info_name=words[0], parent=ctx)
    if len(words) > 1 and isinstance(found, click.Group):
        return _help_of(inner, found, words[1:])
    return found.get_help(inner)
