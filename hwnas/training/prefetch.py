"""Batches made ahead of the step that needs them, in a thread of their own."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

import torch

Batch = tuple[torch.Tensor, torch.Tensor]

AHEAD = 2
"""Batches that are made before they are needed: one for the next step, one for a step that comes sooner than most."""


class Prefetched:
    """`batches`, with those of the next `AHEAD` steps made while the present step runs.

    Inside `with`, a thread makes them; outside, or if not `ahead`, there is none: each is made when it is asked for.
    Either way, and in any order of steps, they are what `batches(step)` gives, on `device`: a step that is not the next
    one is waited for.
    An error in the thread is raised in the call for that step. `benchmarks/input_pipeline.py` measures the gain.

    A GPU gets its batches from pinned memory without waiting for the copy. That part could not be tried on one.
    """

    def __init__(self, batches: Callable[[int], Batch], device: torch.device | str = "cpu", ahead: bool = True) -> None:
        self.batches, self.device, self.ahead = batches, torch.device(device), ahead
        self._thread: ThreadPoolExecutor | None = None
        self._coming: deque[tuple[int, Future[Batch]]] = deque()

    def __enter__(self) -> "Prefetched":
        if self.ahead:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.shutdown(cancel_futures=True)  # waits for the batch that is being made, if any
        self._coming.clear()

    def __call__(self, step: int) -> Batch:
        """The batch of `step`: images (batch, 3, H, W) and labels (batch,)."""
        images, labels = self._make(step) if self._thread is None else self._wait_for(step, self._thread)
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _wait_for(self, step: int, thread: ThreadPoolExecutor) -> Batch:
        """The batch of `step` from the `thread`, which is given the steps after it to do."""
        if self._coming and self._coming[0][0] != step:
            for _, batch in self._coming:
                batch.cancel()
            self._coming.clear()
        for later in range(step + len(self._coming), step + AHEAD + 1):
            self._coming.append((later, thread.submit(self._make, later)))
        return self._coming.popleft()[1].result()

    def _make(self, step: int) -> Batch:
        """The batch of `step` in memory that `device` can take it from."""
        images, labels = self.batches(step)
        if self.device.type != "cuda":
            return images, labels
        with torch.cuda.device(self.device):  # a new thread is on the first GPU, where it would take memory
            return images.pin_memory(), labels.pin_memory()
