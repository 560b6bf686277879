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
    """The file `path` of a session of one `identity`: the times of another device or space are refused."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity = json.loads(json.dumps(identity))  # as the file gives it back, where a tuple is a list
        self._written = monotonic()

    def load(self) -> Samples:
        """The samples of an interrupted session; empty ones where there is no file.

        Raises `InputError`: "checkpoint.other" for one of another identity, "checkpoint.damaged" for no checkpoint.
        """
        if not self.path.exists():
            return Samples()
        again = "remove it or start afresh"
        value = files.versioned(files.read_json(self.path, "checkpoint"), SCHEMA, self.path, "checkpoint", again)
        try:
            theirs, mine = value["identity"], self.identity
            differences = [f"{name}: {theirs[name]}, not {mine[name]}" for name in mine if theirs[name] != mine[name]]
            samples = Samples() if differences else Samples.from_json(value["samples"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{self.path} is not a checkpoint ({error!r}): {again}", code="checkpoint.damaged", path=str(self.path)
            ) from None
        if differences:
            raise InputError(
                f"{self.path} was interrupted while measuring something else ({'; '.join(differences)}): {again}",
                code="checkpoint.other", path=str(self.path), differences=differences,
            )  # fmt: skip
        return samples

    def write_if_due(self, samples: Samples) -> None:
        """Write `samples` if the last time is long enough ago."""
        if monotonic() - self._written >= EVERY:
            self.write(samples)

    def write(self, samples: Samples) -> None:
        """Write `samples` now, atomically."""
        value = {"schema": SCHEMA, "identity": self.identity, "samples": samples.to_json()}
        files.write_text(self.path, json.dumps(value))
        self._written = monotonic()

    def remove(self) -> None:
        """Delete the file, as the session is over."""
        self.path.unlink(missing_ok=True)
