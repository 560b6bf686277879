"""Seconds of one kind of work, added up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """`seconds` are all that passed in `running` bodies, and after each `start` until the last `stop` that follows it.

    On a GPU every look at the time waits for the work that was given to it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0

    def start(self) -> None:
        """Count from now on."""
        self._since = self._now()

    def stop(self) -> None:
        """Count up to now."""
        before, self._since = self._since, self._now()
        self.seconds += self._since - before

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count while the body runs."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()
