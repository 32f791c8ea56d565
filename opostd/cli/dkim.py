"""``opostd dkim``: the keys that sign what leaves."""

import json
import time
from pathlib import Path

import click

from opostd.cli.common import Failure, json_option, read_settings
from opostd.cli.errors import EX_CANTCREAT, EX_DATAERR


@click.group("dkim")
def command() -> None:
    """Keys that sign what leaves (DKIM, RFC 6376)."""


@command.command("generate")
@click.argument("domain", required=False)
@click.option("--selector", help="Name of the keys; by default the year and the month.")
def generate(domain: str | None, selector: str | None) -> None:
    """Make two keys of a domain, RSA and Ed25519, and say what the DNS must have.

    They sign at once what leaves; old keys sign too, until their files are removed.

    Example: opostd dkim generate example.org
    """
    from opostd.checks import keyring
    from opostd.checks.signature import DOMAIN

    settings = read_settings()
    domain = (domain or settings.domains[0]).lower().rstrip(".")
    selector = selector or time.strftime("%Y%m", time.gmtime())
    if domain not in settings.domains:
        raise Failure(EX_DATAERR, f"{domain} is not among domains: {', '.join(settings.domains)}")
    if not DOMAIN.match(f"{selector}r") or "." in selector or not selector.isascii():
        raise Failure(EX_DATAERR, f"{selector!r} is no selector: letters, digits and hyphens")
    try:
        made = list(keyring.generate(Path(settings.dkim.keys_directory), domain, selector.lower()))
    except FileExistsError as error:
        raise Failure(EX_CANTCREAT, f"{error.filename} is there already; give another --selector") from error
    except OSError as error:
        raise Failure(EX_CANTCREAT, f"cannot write {error.filename}: {error.strerror}") from error
    for path in made:
        click.echo(f"wrote {path}", err=True)
    for path in made:
        click.echo(keyring.zone_line(keyring.load(path)))


@command.command("show")
@click.argument("domain", required=False)
@json_option
def show(domain: str | None, as_json: bool) -> None:
    """What the DNS must have for the keys that are there, as lines of a zone file.

    Example: opostd dkim show example.org
    """
    from opostd.checks import keyring

    found = keyring.Keyring(Path(read_settings().dkim.keys_directory))
    keys = [key for each in ([domain] if domain else found.domains()) for key in found.of(each)]
    if as_json:
        rows = []
        for key in keys:
            name, text = keyring.record(key)
            rows.append({"domain": key.domain, "selector": key.selector, "name": name, "text": text})
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
        return
    for key in keys:
        click.echo(keyring.zone_line(key))
    if not keys:
        click.echo(f"no keys in {found.folder}", err=True)
