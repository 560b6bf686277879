"""The base of loops that can be interrupted at any step and resumed to the same end."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..interrupt import deferred_interrupt
from ..nn.ranks import Ranks
from ..nn.state import load_state, save_state
from ..progress import Report, silent
from ..space.space import Arch

History = Callable[[int, Arch, float], None]
"""Called by the main rank with the number of the step (of the architecture, in a `SharedLoop`), counted from 1, an
architecture that it looked at, and its score."""


def discard(step: int, arch: Arch, score: float) -> None:
    """A `History` that keeps nothing."""


class Resumable:
    """A loop that all `ranks` take together. A subclass has `step`, which counts `done`, and `total` of them; all that
    a step depends on is in its `state_dict`."""

    ranks: Ranks
    done: int
    total: int
    checkpoint_seconds: float = 10.0

    def step(self, report: Report = silent) -> None:
        """Take one more step, and report it."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on."""
        raise NotImplementedError

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from `state`."""
        raise NotImplementedError

    def run(self, checkpoint: Path, report: Report = silent) -> None:
        """Resume from `checkpoint` if it exists, to the end, and save every `checkpoint_seconds`. Ctrl-C, on any rank,
        saves one more checkpoint and is raised again on all of them. Only the main rank reads and writes the file.
        Raises `InputError` where that is of another search."""
        self._resume(checkpoint)
        saved, stop = time.monotonic(), False
        with deferred_interrupt() as interrupted:
            while self.done < self.total and not stop:
                self.step(report)
                stop = self.ranks.any(interrupted())
                if time.monotonic() - saved > self.checkpoint_seconds:
                    self._save(checkpoint)
                    saved = time.monotonic()
            self._save(checkpoint)
            if stop:
                raise KeyboardInterrupt

    def _resume(self, checkpoint: Path) -> None:
        with self.ranks.share_errors():
            state = load_state(checkpoint) if self.ranks.main and checkpoint.exists() else None
        if (state := self.ranks.same(state)) is None:
            return
        with self.ranks.share_errors():
            try:
                self.load_state_dict(state)
            except (KeyError, RuntimeError, TypeError, ValueError):  # torch's words are a list of all its names
                raise InputError(
                    f"{checkpoint} is of another search or version: remove it to start again",
                    code="search.other-checkpoint",
                    path=str(checkpoint),
                ) from None

    def _save(self, checkpoint: Path) -> None:
        if self.ranks.main:
            save_state(checkpoint, self.state_dict())
