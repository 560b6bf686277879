"""The commands: thin wrappers that parse, call the stage of the same name, and print."""

import os
import sys
from contextlib import suppress

import typer

from ..errors import HwnasError
from ..install import missing_extra
from ..logs import log_to_stderr
from .app import INTERRUPTED, UsageError, app
from .streams import discard_output, flush_output, prepare_streams
from .usage import usage_message

# isort: off
from . import profile, search, train, export, verify, demo  # noqa: F401  each file adds its commands to `app`,
from . import compare, measure, predict, devices, recipes, spaces, strategies, tables, zoo, data  # noqa: F401  in the order of --help

# isort: on


def main() -> None:
    """Run a command: exit 0, the code of an error (2 for bad input, 1 where a bundle does not hold), 130 after Ctrl-C.

    An error is one line and never a traceback. Of the processes of a torchrun, which all stop, the first one says why.
    """
    prepare_streams()
    try:
        with log_to_stderr():
            ended = app(standalone_mode=False)
        flush_output()
        if ended == INTERRUPTED:  # newer typers return it, older ones raise
            raise KeyboardInterrupt
    except UsageError as error:
        _end(usage_message(error, sys.argv[1:]), 2, prefix="" if len(sys.argv) == 1 else "hwnas: ")
    except HwnasError as error:
        _end(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        if missing is None:
            raise
        _end(str(missing), missing.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _end("stopped (the same profile, search, train, compare or demo goes on from here)", INTERRUPTED, "\nhwnas: ")
    except BrokenPipeError:
        discard_output()
        sys.exit(141)
    except OSError as error:  # a full disk, say
        discard_output()
        _end(str(error), 2)
    except (MemoryError, RuntimeError, ImportError) as error:
        if str(error).startswith("Symlink loop"):  # of Python before 3.13
            _end(f"{error}: give the folder or file itself", 2)
        if not _is_out_of_memory(error):
            raise
        _end("out of memory: give fewer or smaller images, a smaller batch, or fewer workers", 2)


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ended. Torch says so in words alone, of the CPU ("can't allocate memory") and of a GPU, and the
    loader of a library that has no room under `ulimit -v` too ("failed to map segment")."""
    text = str(error).lower()
    words = ("allocate memory", "out of memory", "failed to map segment")
    return isinstance(error, MemoryError) or any(word in text for word in words)


def _end(message: str, code: int, prefix: str = "hwnas: ") -> None:
    """Exit with `code` and one line on standard error, unless another process of the same torchrun says it."""
    if os.environ.get("RANK", "0") == "0":
        with suppress(OSError):  # nobody listens
            print(f"{prefix}{message}", file=sys.stderr, flush=True)
    sys.exit(code)
