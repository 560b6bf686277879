"""Standard streams as a shell may leave them: closed, full, or of an encoding that has not every letter."""

import io
import os
import sys
from contextlib import suppress


def prepare_streams() -> None:
    """Make every standard stream one that can be used: nothing where it is closed, and none that fails for a letter.

    A closed one is also closed to the next file that is opened, which must not take its number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            _occupy(number)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  as Python's own
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no text


def flush_output() -> None:
    """Write what is printed while its failure can still be told. Raises `OSError`."""
    sys.stdout.flush()


def discard_output() -> None:
    """Let what is still to be written go nowhere: Python would try again at its end, and complain in its own words."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _occupy(number: int) -> None:
    """Give the closed file descriptor `number` to the null device."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
