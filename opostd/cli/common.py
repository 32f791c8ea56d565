"""What commands share: which configuration, an open store, output for people and for programs.

Commands work on the store itself, with the server running or not: the store's bus tells a running server.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from opostd.cli.errors import EX_CONFIG, EX_UNAVAILABLE
from opostd.config import Settings, demo_settings, load
from opostd.model.errors import BadAddress, SchemaMismatch

if TYPE_CHECKING:  # 0.7 s of imports, only where a command uses the store
    from opostd.store.run import Store

T = TypeVar("T")


class Failure(click.ClickException):
    """An end with one line for the person and a status for the script."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def show(self, file: Any = None) -> None:
        for line in self.message.splitlines():
            click.echo(f"opostd: {line}", err=True, file=file)


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def config_path() -> Path | None:
    """The file given by --config or $OPOSTD_CONFIG; None is the demo."""
    given = (click.get_current_context().find_root().obj or {}).get("config")
    return Path(given) if given else None


def read_settings() -> Settings:
    """The settings of this command line.  Raises BadSettings."""
    path = config_path()
    return load(path) if path else demo_settings()


def command_line(rest: str) -> str:
    """``opostd --config FILE migrate up``: what to type, with the configuration in use."""
    path = config_path()
    return f"opostd --config {path} {rest}" if path else f"opostd {rest}"


def run_in_store(flow: "Callable[[Store, Settings], Awaitable[T]]") -> T:
    """What the flow returns, with a store of the right schema, closed afterwards."""
    settings = read_settings()
    file = Path(settings.store.url.removeprefix("sqlite:///"))
    if settings.store.url.startswith("sqlite:///") and not file.exists():
        first = command_line("migrate up") if config_path() else "opostd serve"
        raise Failure(EX_UNAVAILABLE, f"there is no database at {file} yet: {first}")
    return asyncio.run(_in_store(flow, settings))


async def _in_store(flow: "Callable[[Store, Settings], Awaitable[T]]", settings: Settings) -> T:
    from opostd.store.run import Store

    store = Store(settings.store)
    try:
        await asyncio.to_thread(store.check_schema)
        return await flow(store, settings)
    except SchemaMismatch as error:
        raise Failure(EX_CONFIG, schema_message(error)) from error
    finally:
        await store.close()


def schema_message(error: SchemaMismatch) -> str:
    """What to do about a schema that is not this version's."""
    from opostd.daemon.failure import schema_text

    return schema_text(error, command_line("migrate up"))


def folded(address: str, settings: Settings) -> str:
    """An address as the directory has it; the first domain where none is written.  Raises BadAddress."""
    from opostd.store.accounts import fold_address

    if not address.strip():
        raise BadAddress("an address is needed, such as anna or anna@example.org")
    return fold_address(address.strip(), settings.domains)


def recipient_address(address: str, settings: Settings) -> str:
    """An address of ours as the directory has it, or, where mail may leave, one of elsewhere.  Raises BadAddress."""
    from opostd.intake import addressing

    return addressing.recipient_address(address, settings.domains, relay=settings.relay.via != "off")


def names(text: str) -> list[str]:
    """``anna,bob`` as a list; empty parts are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def confirm(question: str, yes: bool) -> None:
    """Go on only after a yes; without a terminal there is nobody to ask.  Raises click.Abort, UsageError."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask at: give -y")
    click.confirm(question, abort=True, err=True)


def read_password(from_stdin: bool, generate: bool) -> tuple[str, bool]:
    """A password, and whether it was made here and so must be shown."""
    if from_stdin and generate:
        raise click.UsageError("--password-stdin and --generate exclude each other")
    if generate:
        return generated_password(), True
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt="Again", err=True)
    else:
        raise click.UsageError("no terminal to ask for the password: give --password-stdin or --generate")
    from opostd.auth.passwords import prepare

    prepare(password)  # says what is wrong with it before anything is asked of the database
    return password, False


def generated_password() -> str:
    """``4dqa-9xkp-m2ru``: 60 bits, without letters that are taken for others."""
    import secrets

    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(alphabet) for _ in range(4)) for _ in range(3))


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[Any]], as_json: bool) -> None:
    """A table for people, or a list of objects for programs (keys: the columns in lower case)."""
    if as_json:
        keys = [column.lower().replace(" ", "_") for column in columns]
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows], ensure_ascii=False, indent=1))
        return
    texts = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[at]) for line in texts) for at in range(len(columns))]
    for line in texts:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def print_json(value: Any) -> None:
    """A record of ``nouns``, or a list of them, as the API answers it."""
    import dataclasses

    plain = [dataclasses.asdict(each) for each in value] if isinstance(value, list) else dataclasses.asdict(value)
    click.echo(json.dumps(plain, ensure_ascii=False, indent=1))


def shown_time(iso: str | None) -> str | None:
    """``2026-11-24 18:31``, in UTC, of a time as programs read it."""
    return None if iso is None else iso[:16].replace("T", " ")


def _cell(value: Any) -> str:
    from opostd.daemon.logs import safe

    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return safe(str(value))


json_option = click.option("--json", "as_json", is_flag=True, help="For programs: JSON.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do not ask.")
