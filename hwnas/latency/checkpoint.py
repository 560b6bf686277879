"""The raw times of an unfinished session in a file, so that Ctrl-C, a crash or kill -9 loses a few seconds of it."""

import json
from pathlib import Path
from time import monotonic
from typing import Any

from .. import files
from ..errors import InputError
from .samples import Samples

SCHEMA = 2
"""Version of the JSON form. A reader refuses any other."""

EVERY = 5.0
"""Seconds from one write to the next."""


class Checkpoint:
    """The file `path`, of one `identity`: the times of another device or space are refused, never mixed in."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity = json.loads(json.dumps(identity))  # as it reads from the file, where a tuple is a list
        self._written = monotonic()

    def load(self) -> Samples:
        """What an interrupted session left, or nothing. Raises `InputError` for another identity or a damaged file."""
        if not self.path.exists():
            return Samples()
        again = "remove it or start afresh"
        value = files.versioned(files.read_json(self.path, "checkpoint"), SCHEMA, self.path, "checkpoint", again)
        try:
            theirs, mine = value["identity"], self.identity
            names = [name for name in mine if theirs[name] != mine[name]]
            if names:
                differences = "; ".join(f"{name}: {theirs[name]}, not {mine[name]}" for name in names)
                raise InputError(f"{self.path} was interrupted while measuring something else ({differences}): {again}")
            return Samples.from_json(value["samples"])
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{self.path} is not a checkpoint ({error!r}): {again}") from None

    def keep(self, samples: Samples) -> None:
        """Write `samples` if the last time is long enough ago."""
        if monotonic() - self._written >= EVERY:
            self.write(samples)

    def write(self, samples: Samples) -> None:
        """Write `samples` now, atomically."""
        value = {"schema": SCHEMA, "identity": self.identity, "samples": samples.to_json()}
        files.write_text(self.path, json.dumps(value))
        self._written = monotonic()

    def remove(self) -> None:
        """The session is over: what it found is elsewhere now."""
        self.path.unlink(missing_ok=True)
