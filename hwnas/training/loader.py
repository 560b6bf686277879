"""Batches made ahead of the step that needs them, by processes of their own: for images that have to be decoded."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import count
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from ..errors import HwnasError, InputError
from ..workers import held_interrupt
from .prefetch import Batch

AHEAD = 2
"""Batches that each process makes before they are needed."""
MOST = 16
"""Processes, at most, unless more are asked for."""
ROOMY = 2**30
"""Free bytes of /dev/shm from which batches come through shared memory; a container has 64 MB by default."""


class Loaded:
    """`batches`, which can be pickled, made by `workers` processes while the present step runs.

    Inside `with`, the processes make those of the next steps, and stay from one step to another that does not follow
    it; outside there are none, and each batch is made when it is asked for. Either way they are what `batches(step)`
    gives, on `device`. An error of a process is raised in the call for its step. A GPU gets batches from pinned memory.
    Raises `InputError` ("data.worker-died") where a process was killed.
    """

    def __init__(
        self, batches: Callable[[int], Batch], device: torch.device | str = "cpu", workers: int | None = None
    ) -> None:
        self.batches, self.device = batches, torch.device(device)
        self.workers = workers or count_workers()
        self._sampler = _StepsFrom()
        self._loader: DataLoader[Any] | None = None
        self._coming: Any = None
        self._next = -1

    def __enter__(self) -> "Loaded":
        pinned = self.device.type == "cuda"
        self._loader = DataLoader(
            _Made(self.batches, _is_shared_memory_roomy()),
            batch_size=None,
            sampler=self._sampler,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            pin_memory=pinned,
            worker_init_fn=_begin,
            prefetch_factor=AHEAD,
            persistent_workers=True,
            multiprocessing_context="fork" if sys.platform == "linux" else None,
            generator=torch.Generator(),  # or torch takes a seed from the random numbers of the caller
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_processes()
        self._loader = None
        if _is_of_worker(error):  # torch raises it wherever the main thread is when a process dies
            raise self._died() from None

    def __call__(self, step: int) -> Batch:
        """The batch of `step`: images (batch, 3, H, W) and labels."""
        images, labels = self.batches(step) if self._loader is None else self._wait_for(step, self._loader)
        return images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def _wait_for(self, step: int, loader: "DataLoader[Any]") -> Batch:
        """The batch of `step` from the processes, which go on from there."""
        try:
            if self._coming is None or step != self._next:
                self._sampler.start = step
                with held_interrupt():  # which the processes then leave to this one
                    self._coming = iter(loader)
            self._next = step + 1
            found = next(self._coming)
        except (RuntimeError, OSError, EOFError) as error:  # the latter of what the process was handing over
            if isinstance(error, RuntimeError) and not _is_of_worker(error):
                raise
            self._end_processes()
            raise self._died() from None
        if isinstance(found, BaseException):
            raise found
        images, labels = (torch.from_numpy(part) if isinstance(part, np.ndarray) else part for part in found)
        return images, labels

    def _end_processes(self) -> None:
        """End what makes batches now. torch does so with the last reference, which a traceback may hold for long, and
        until then it raises an error for each process that dies, wherever the main thread is."""
        coming, self._coming = self._coming, None
        if coming is not None:
            coming._shutdown_workers()
        if self._loader is not None:
            self._loader._iterator = None

    def _died(self) -> InputError:
        return InputError(
            f"one of {self.workers} processes that make batches was killed, perhaps for want of memory: use fewer or "
            "smaller images a batch",
            code="data.worker-died", workers=self.workers,
        )  # fmt: skip


def count_workers() -> int:
    """Processes that make batches in each rank: as many as it has cores, up to `MOST`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(MOST, cores // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def _is_of_worker(error: BaseException | None) -> bool:
    """Whether torch says so that a process died."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


class _StepsFrom(Sampler[int]):
    """The numbers of steps from `start` on, without an end."""

    def __init__(self) -> None:
        self.start = 0

    def __iter__(self) -> Iterator[int]:
        return count(self.start)


class _Made(Dataset[Any]):
    """In a process: a batch by the number of its step, or the error in its place."""

    def __init__(self, batches: Callable[[int], Batch], shared: bool) -> None:
        self.batches, self.shared = batches, shared

    def __getitem__(self, step: int) -> Any:
        try:
            batch = self.batches(step)
        except HwnasError as error:
            return error
        except Exception as error:
            return InputError(f"batch {step} cannot be made: {type(error).__name__}: {error}", code="data.batch",
                              step=step)  # fmt: skip
        return batch if self.shared else tuple(part.numpy() for part in batch)


def _as_it_is(batch: Any) -> Any:
    return batch


def _begin(worker: int) -> None:
    """Have a process leave Ctrl-C to its parent, which ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _is_shared_memory_roomy() -> bool:
    if not os.path.isdir("/dev/shm"):
        return sys.platform != "linux"
    found = os.statvfs("/dev/shm")
    return found.f_bavail * found.f_frsize >= ROOMY
