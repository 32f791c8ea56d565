"""``opostd config``: look for mistakes, show what is in force."""

import dataclasses
import datetime
import importlib.resources
import json
from pathlib import Path
from typing import Any

import click

from opostd.cli.common import config_path, read_settings
from opostd.cli.errors import EX_CONFIG
from opostd.config import Settings, default_settings
from opostd.model.errors import BadSettings


@click.group("config")
def command() -> None:
    """The configuration."""


@command.command("check")
def check() -> int:
    """Every mistake in the configuration, with its line; exit status 78 when there is one.

    Example: opostd --config config/opostd.toml config check
    """
    from opostd.daemon import tls

    try:
        settings = read_settings()
        if settings.tls.certificate:
            tls.identity(settings, datetime.datetime.now(datetime.UTC))
    except BadSettings as error:
        for problem in error.problems:
            click.echo(problem)
        count = len(error.problems)
        click.echo(f"{count} problem{'s' if count > 1 else ''}; nothing was started.", err=True)
        return EX_CONFIG
    path = config_path()
    changed = len(_changed(settings))
    said = f"{path}: no mistakes, {changed} settings changed" if path else "nothing configured: the demo's settings"
    click.echo(said)
    return 0


@command.command("show")
@click.option("--changed", is_flag=True, help="Only what differs from the defaults.")
@click.option("--defaults", is_flag=True, help="The documented default, to begin a file of your own with.")
@click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")
def show(changed: bool, defaults: bool, as_json: bool) -> None:
    """The settings in force.

    Example: opostd config show --defaults > opostd.toml
    """
    if defaults and not as_json:
        click.echo(documented_default(), nl=False)
        return
    settings = default_settings() if defaults else read_settings()
    tables = _tables(settings)
    if changed:
        kept = _changed(settings)
        tables = {room: {key: tables[room][key] for key in tables[room] if (room, key) in kept} for room in tables}
    if as_json:
        flat = {**tables.pop("", {}), **tables}
        click.echo(json.dumps(flat, ensure_ascii=False, indent=1))
        return
    for room, values in tables.items():
        if room and values:
            click.echo(f"\n[{room}]")
        for key, value in values.items():
            click.echo(f"{key} = {json.dumps(value, ensure_ascii=False)}")


def documented_default() -> str:
    """The text of config/opostd.toml, from the installed package or from the source tree."""
    packaged = importlib.resources.files("opostd.daemon") / "opostd.toml"
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[2] / "config" / "opostd.toml").read_text("utf-8")


def _tables(settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings as TOML has them: table -> key -> value; the keys of no table under ""."""
    tables: dict[str, dict[str, Any]] = {"": {}}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            tables[field.name] = {key: _plain(each) for key, each in dataclasses.asdict(value).items()}
        else:
            tables[""][field.name] = _plain(value)
    return tables


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _changed(settings: Settings) -> set[tuple[str, str]]:
    ours, theirs = _tables(settings), _tables(default_settings())
    return {(room, key) for room in ours for key in ours[room] if ours[room][key] != theirs[room][key]}
