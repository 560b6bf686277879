"""The commands: thin wrappers that parse, call the stage of the same name, and print."""

import os
import sys

import typer

from ..errors import InputError, VerificationError
from . import stages  # noqa: F401  each file adds its commands to `app`, the stages first

# isort: split
from . import compare, devices, figures, spaces, strategies, tables, zoo  # noqa: F401
from .app import INTERRUPTED, UsageError, app


def main() -> None:
    """Run a command: exit 0, 1 where a bundle does not hold, 2 for bad input, 130 after Ctrl-C; never a traceback."""
    try:
        if app(standalone_mode=False) == INTERRUPTED:  # newer typers return it, older ones raise
            raise KeyboardInterrupt
    except UsageError as error:
        print(error.format_message() if len(sys.argv) == 1 else f"hwnas: {error.format_message()}", file=sys.stderr)
        sys.exit(2)
    except (InputError, VerificationError) as error:
        print(f"hwnas: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, VerificationError) else 2)
    except (KeyboardInterrupt, typer.Abort):
        if os.environ.get("RANK", "0") == "0":  # of the processes of a torchrun, which all stop, one says so
            print(
                "\nhwnas: stopped (the same profile, search, train, compare or demo goes on from here)", file=sys.stderr
            )
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:  # a full disk, say
        print(f"hwnas: {error}", file=sys.stderr)
        sys.exit(2)
