"""Jobs in processes of their own."""

import errno
import multiprocessing.synchronize
import os
import signal
from pathlib import Path

import pytest
import torch

from hwnas.progress import silent
from hwnas.references import allow, allowed
from hwnas.testing import refused
from hwnas.workers import held_interrupt, run_all


def square(job, offset, report):
    report(1)
    return job**2 + offset, torch.get_num_threads()


def repeated(job, report):
    return allowed()


def test_workers_resolve_what_the_caller_has_repeated():
    with allow("my.py:x", "a.b:c"):
        (there,) = run_all(repeated, [0], (), 1, silent)
        assert there == allowed() == {f"{Path('my.py').resolve()}:x", "a.b:c"}


def die(job, report):
    os.kill(os.getpid(), signal.SIGKILL)


def test_jobs_come_back_in_order_each_with_one_thread():
    assert run_all(square, [3, 1, 2], (10,), 2, silent) == [(19, 1), (11, 1), (14, 1)]
    assert run_all(square, [], (10,), 2, silent) == []


def test_a_worker_that_is_killed_is_told_in_one_line():
    with refused("workers.died", workers=1):
        run_all(die, [0], (), 4, silent)


def total(job, images, report):
    images[:, :1] += job  # a worker's own
    return images.sum().item(), images.stride()


def test_what_is_shared_needs_no_shared_memory(monkeypatch):
    def full(self):
        raise RuntimeError("unable to write to file </torch_1_2>: No space left on device (28)")

    monkeypatch.setattr(torch.UntypedStorage, "_share_fd_cpu_", full)
    images = torch.ones(1000, 1, 10, 10).expand(-1, 3, -1, -1)
    assert run_all(total, [0, 1], (images,), 2, silent) == [(300_000, images.stride()), (600_000, images.stride())]


def test_a_system_without_semaphores_is_told_in_one_line(monkeypatch):
    def absent(*args, **options):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "__init__", absent)
    with refused("workers.none") as refusal:
        run_all(square, [1], (10,), 1, silent)
    assert "/dev/shm" in refusal.message


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no POSIX signals")
def test_ctrl_c_is_held_while_workers_start_and_heard_again():
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # what tests before this one left is not to count
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with held_interrupt():
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before | {signal.SIGINT}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
