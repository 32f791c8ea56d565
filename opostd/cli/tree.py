"""All commands by name, one line each, and where they live: help is printed from here without importing them."""

import importlib

import click

from opostd import __version__

# name -> (module below opostd.cli, what help says)
COMMANDS: dict[str, tuple[str, str]] = {
    "serve": ("serve", "Run the server; with nothing configured, a demo on this machine."),
    "send": ("send", "Send a message written in Markdown."),
    "sendmail": ("sendmail", "Send a message as programs do that call sendmail."),
    "user": ("user", "People who can log in: add, list, password, disable, enable, delete."),
    "group": (
        "group",
        "Groups: add, list, join, leave, members, role, set, show, held, petitions, reopen, delete and more.",
    ),
    "subscription": ("subscription", "Who reads what, into which box: list, add, move, remove, sync."),
    "box": ("box", "Boxes: list."),
    "shared": ("shared", "Boxes that several use: create, list, grant, revoke, delete."),
    "post": ("post", "Posts: list, show, pin, unpin, expire, recall, reach."),
    "alias": ("alias", "Other names of addresses: add."),
    "queue": ("queue", "What waits to be delivered: list, show, retry, hold, release, drop."),
    "dkim": ("dkim", "Keys that sign what leaves: generate, show."),
    "config": ("config", "The configuration: check, show."),
    "capabilities": ("capabilities", "What is spoken: extensions, their RFCs, and where we differ."),
    "migrate": ("migrate", "The tables of the database: up, status."),
    "help": ("help", "All commands."),
}

NEWCOMER = """\
opostd: a mail server for organisations that write to one person, to a group, or to everyone

  opostd serve                                  run it; with nothing configured, a demo on this machine
  opostd send --to team --subject Hello FILE    send a message written in Markdown
  opostd user add anna                          add somebody who can log in
  opostd group add team --members anna,bob      make a group
  opostd config check                           look for mistakes in the configuration

opostd help shows all commands, opostd COMMAND --help one of them.
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"opostd.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(unknown(args[0], list(COMMANDS), "opostd help"))
        return super().resolve_command(ctx, args)


def unknown(name: str, known: list[str], see: str) -> str:
    """What to say to a command that is not there."""
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"there is no command {name!r}" + (f"; did you mean {close[0]}?" if close else f"; see: {see}")


@click.group(cls=LazyGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config", metavar="FILE", envvar="OPOSTD_CONFIG", help="Configuration (or $OPOSTD_CONFIG).")
@click.version_option(__version__, "--version", message="opostd %(version)s")
@click.pass_context
def root(ctx: click.Context, config: str | None) -> None:
    """A mail server for organisations that write to one person, to a group, or to everyone.

    Example: opostd --config config/opostd.toml user add anna --generate
    """
    ctx.obj = {"config": config}
    if ctx.invoked_subcommand is None:
        click.echo(NEWCOMER, nl=False)
