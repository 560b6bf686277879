"""Several long jobs at once, each in a process of its own with one thread: faster than one after another with two."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from .progress import Report

T = TypeVar("T")

POLL = 0.2
"""Seconds between two looks at how far the jobs are."""

_worker: dict[str, Any] = {}
"""In a worker: what `_prepare` was given."""


def run_all(work: Callable[..., T], jobs: Sequence[Any], shared: tuple, workers: int, report: Report) -> list[T]:
    """`[work(job, *shared, report) for job in jobs]`, up to `workers` at a time with one torch thread each.

    The workers' reports are added up for `report`. The first exception, Ctrl-C too, ends all workers and is raised.
    Workers import the program that calls this, so a script needs its `if __name__ == "__main__":`.
    """
    if not jobs:
        return []
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads, such as torch's, can hang
    done = context.Array("q", len(jobs))
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(min(workers, len(jobs)), context, _prepare, (work, shared, done)) as pool:
        try:
            with _held_interrupt():
                futures = [pool.submit(_run, index, job) for index, job in enumerate(jobs)]
            while wait(futures, POLL, FIRST_EXCEPTION).not_done and not any(map(_failed, futures)):
                report(sum(done), "")
            return [future.result() for future in futures]
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _failed(future: Any) -> bool:
    return future.done() and future.exception() is not None


@contextmanager
def _held_interrupt() -> Iterator[None]:
    """Processes started in the body never see Ctrl-C, which is for this one to handle; here it comes afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare(work: Callable, shared: tuple, done: Any) -> None:
    """Make a worker ready."""
    torch.set_num_threads(1)
    _worker.update(work=work, shared=shared, done=done)


def _run(index: int, job: Any) -> Any:
    """One job, in a worker."""

    def report(units: int, text: str = "") -> None:
        _worker["done"][index] = units
        if not multiprocessing.parent_process().is_alive():
            os._exit(1)  # killed: nobody is waiting, and its successor would be slowed down

    return _worker["work"](job, *_worker["shared"], report)
