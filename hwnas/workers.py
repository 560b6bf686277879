"""Several long jobs at once, each in a process of its own with one thread: faster than one after another with two."""

import io
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from .errors import InputError
from .files import write_bytes
from .progress import Report
from .references import allow, allowed, load_file

T = TypeVar("T")

POLL = 0.2
"""Seconds between two looks at how far the jobs are."""

_worker: dict[str, Any] = {}
"""In a worker: what `_prepare` was given."""


def run_all(
    work: Callable[..., T], jobs: Sequence[Any], shared: tuple[Any, ...], workers: int, report: Report
) -> list[T]:
    """`[work(job, *shared, report) for job in jobs]`, up to `workers` at a time with one torch thread each.

    The workers' reports are added up for `report`. The first exception, Ctrl-C too, ends all workers and is raised.
    Workers import the program that calls this, so a script needs its `if __name__ == "__main__":`, and load the files
    that this process has loaded by reference (`my.py:attr`). Raises `InputError` ("workers.died") where one was killed,
    as by a system that is out of memory, ("workers.none") where this system starts none, and ("workers.not-shared")
    where they cannot load what is `shared`, as where such a file has changed since.
    """
    if not jobs:
        return []
    with tempfile.TemporaryDirectory() as folder:
        return _run_all(work, jobs, _write_shared(shared, Path(folder) / "shared"), min(workers, len(jobs)), report)


def _run_all(work: Callable[..., T], jobs: Sequence[Any], shared: Path, workers: int, report: Report) -> list[T]:
    """`run_all`, with what is `shared` in a file."""
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads, such as torch's, can hang
    others = set(multiprocessing.active_children())
    try:
        done = context.Array("q", len(jobs))
        executor = ProcessPoolExecutor(workers, context, _prepare, (work, shared, done, allowed(), lone_files()))
    except (OSError, ImportError) as error:  # semaphores are files of /dev/shm, which a container may not have
        raise InputError(
            f"no worker process can be started: {getattr(error, 'strerror', None) or error}: see that /dev/shm is "
            "there, and can be written",
            code="workers.none",
        ) from None
    with executor as pool:
        try:
            with held_interrupt():
                futures = [pool.submit(_run, index, job) for index, job in enumerate(jobs)]
            while wait(futures, POLL, FIRST_EXCEPTION).not_done and not any(map(_failed, futures)):
                report(sum(done[:]))
            return [future.result() for future in futures]
        except BrokenProcessPool:
            raise InputError(
                f"one of {workers} worker processes was killed, perhaps for want of memory: "
                "the same call with fewer workers goes on from here",
                code="workers.died", workers=workers,
            ) from None  # fmt: skip
        except BaseException:
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _write_shared(shared: tuple[Any, ...], path: Path) -> Path:
    """Write what all workers share to `path`, which they map into memory: once for all of them. Given to them as they
    start it would go through /dev/shm, which has 64 MB in a container."""
    import torch

    buffer = io.BytesIO()
    torch.save(shared, buffer)
    write_bytes(path, buffer.getbuffer())
    return path


def _failed(future: Any) -> bool:
    return future.done() and future.exception() is not None


@contextmanager
def held_interrupt() -> Iterator[None]:
    """Processes started in the body never see Ctrl-C, which is for this one to handle; here it comes afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def lone_files() -> tuple[Path, ...]:
    """The files that `references.load_file` has run here: their classes can be unpickled where they are loaded too."""
    modules = [module for name, module in sys.modules.copy().items() if name.startswith("_hwnas_")]  # as it names them
    return tuple(Path(str(module.__file__)) for module in modules)


def _prepare(
    work: Callable[..., Any], shared: Path, done: Any, references: frozenset[str], files: tuple[Path, ...]
) -> None:
    """Make a worker ready; `references` are those that the caller has allowed, `files` those that it has loaded."""
    import torch  # here: what lists and predicts needs none, and what has workers trains

    torch.set_num_threads(1)
    _worker.update(work=work, done=done, references=references)
    for file in files:
        with suppress(Exception):  # if it was needed, what is shared cannot be loaded
            load_file(file)
    try:
        _worker["shared"] = torch.load(shared, mmap=True, weights_only=False)  # our own file, in a folder of our own
    except (ImportError, AttributeError) as error:  # raised here, it would look like a worker that was killed
        _worker["fault"] = str(error)


def _run(index: int, job: Any) -> Any:
    """One job, in a worker."""

    def report(units: int, text: str = "") -> None:
        _worker["done"][index] = units
        parent = multiprocessing.parent_process()
        if parent is not None and not parent.is_alive():
            os._exit(1)  # killed: nobody is waiting, and its successor would be slowed down

    if "fault" in _worker:
        raise InputError(
            f"a worker process cannot load what it works with ({_worker['fault']}): leave the file of a reference as "
            "it is while this runs, and call again",
            code="workers.not-shared",
        )
    with allow(*_worker["references"]):
        return _worker["work"](job, *_worker["shared"], report)
