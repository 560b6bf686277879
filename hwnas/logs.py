"""Messages of the library: all through the logger "hwnas", which says nothing until a program asks for it.

A module logs through `logging.getLogger(__name__)`. INFO is what a person at the command line wants to read, such as
the stages of a demo; WARNING is what may make a result worse; DEBUG is everything else.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

logging.getLogger("hwnas").addHandler(logging.NullHandler())  # or Python prints warnings of a program that set up none


class _Lines(logging.Formatter):
    """INFO as it is, anything more serious with its level before it."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


@contextmanager
def log_to_stderr(level: int = logging.INFO) -> Iterator[None]:
    """Print messages from `level` on to standard error while the body runs; afterwards the logger is as it was."""
    logging.getLogger("timm.scheduler").setLevel(logging.ERROR)  # it warns where a training has one update
    logger = logging.getLogger("hwnas")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    before, logger.level = logger.level, level
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
