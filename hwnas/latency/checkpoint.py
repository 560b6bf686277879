"""The raw times of an unfinished session in a file, so that Ctrl-C, a crash or kill -9 loses a few seconds of it."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from time import monotonic
from typing import Any

from .. import files
from ..errors import InputError
from .samples import Samples

SCHEMA = 2
"""Version of the JSON form. A reader refuses any other."""

EVERY = 5.0
"""Seconds from one write to the next, at least."""

COST = 0.02
"""Share of the time that writes may take, so that what takes long is written less often."""


class Checkpoint:
    """The file `path` of a session of one `identity`: the times of another device or space are refused."""

    def __init__(self, path: Path, identity: dict[str, Any]) -> None:
        self.path = path
        self.identity = json.loads(json.dumps(identity))  # as the file gives it back, where a tuple is a list
        self._written, self._took = monotonic(), 0.0
        self._samples: Samples | None = None
        self._visits: dict[str, list[str]] = {}

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
        if monotonic() - self._written >= max(EVERY, self._took / COST):
            self.write(samples)

    def write(self, samples: Samples) -> None:
        """Write `samples` now, atomically."""
        started = monotonic()
        head = json.dumps({"schema": SCHEMA, "identity": self.identity})
        rest = json.dumps(replace(samples, visits=defaultdict(list)).to_json() | {"visits": None})
        visits = ", ".join(f"{json.dumps(key)}: [{', '.join(self._texts(samples, key))}]" for key in samples.visits)
        text = rest.replace('"visits": null', f'"visits": {{{visits}}}', 1)
        files.write_text(self.path, f'{head[:-1]}, "samples": {text}}}')
        self._written = monotonic()
        self._took = self._written - started

    def _texts(self, samples: Samples, key: str) -> list[str]:
        """Every visit to `key` as JSON, made once: a long session has a million times and many writes."""
        if samples is not self._samples:
            self._samples, self._visits = samples, {}
        known = self._visits.setdefault(key, [])
        known += [json.dumps([seconds.tolist(), beside]) for seconds, beside in samples.visits[key][len(known) :]]
        return known

    def remove(self) -> None:
        """Delete the file, as the session is over."""
        self.path.unlink(missing_ok=True)
