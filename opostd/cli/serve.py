"""``opostd serve``."""

import click

from opostd.cli.common import read_settings
from opostd.config import demo_settings
from opostd.config.file import shifted


@click.command("serve")
@click.option("--config", metavar="FILE", help="Configuration (or $OPOSTD_CONFIG); without one: the demo.")
@click.option("--port-offset", type=click.IntRange(0, 60000), default=0, help="Added to every port.")
@click.pass_context
def command(ctx: click.Context, config: str | None, port_offset: int) -> int:
    """Run the server until Ctrl+C or SIGTERM.

    Example: opostd serve --config /etc/opostd/opostd.toml
    """
    from opostd.daemon.bootstrap import serve

    root = ctx.find_root().obj
    root["config"] = config or root["config"]
    if root["config"]:
        return serve(shifted(read_settings(), port_offset), config=root["config"])
    return serve(demo_settings(port_offset=port_offset), config=None)
