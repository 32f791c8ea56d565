"""The command line: ``opostd``, nouns then verbs (``opostd user add``).

Results go to stdout, talk to stderr, and the exit status is one of sysexits.h.  Command modules are imported only
when one of their commands runs, and heavy libraries only inside commands, so that help comes at once.
"""

import os
import sys

import click

from opostd.cli.common import Failure
from opostd.cli.errors import EX_USAGE, status_of
from opostd.cli.tree import root


def main(args: list[str] | None = None) -> None:
    """Run one command and end the process with its exit status."""
    sys.exit(run(sys.argv[1:] if args is None else args))


def run(args: list[str]) -> int:
    """Run one command; its exit status."""
    try:
        result = root.main(args=args, prog_name="opostd", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        error.show()
        return EX_USAGE
    except Failure as error:
        error.show()
        return error.status
    except click.ClickException as error:
        error.show()
        return EX_USAGE
    except (click.Abort, KeyboardInterrupt):
        click.echo("opostd: stopped; nothing more was done", err=True)
        return 130
    except BrokenPipeError:  # `opostd user list | head`: whoever read has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        status = status_of(error)
        if status is None:
            raise
        for line in str(error).splitlines():
            click.echo(f"opostd: {line}", err=True)
        return status
