"""Jobs in processes of their own, and settings of this one that are put back."""

import errno
import multiprocessing.synchronize
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from hwnas.progress import silent
from hwnas.references import allow, allowed
from hwnas.testing import refused
from hwnas.threads import WAITING, torch_threads, wait_asleep_where_busy
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


@pytest.mark.parametrize("count", [1, 3, None])
def test_threads_of_torch_are_put_back(count):
    before = torch.get_num_threads()
    with torch_threads(count):
        assert torch.get_num_threads() == (count or before)
    assert torch.get_num_threads() == before


@pytest.fixture
def no_torch_yet(monkeypatch):
    """As in a process that has not loaded torch, and whose user has not said how threads wait."""
    monkeypatch.delitem(sys.modules, "torch")
    for name in (*WAITING, "OMP_NUM_THREADS"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)


def stat_of(path, monkeypatch, *cores):
    """A /proc/stat whose cores are busy for these shares of the time between two looks at it."""
    lines = ["cpu  1 2 3 4", *(f"cpu{core} 100 0 50 1000 10 0 0 0 7 0" for core in range(len(cores))), "intr 5"]
    path.write_text("\n".join(lines))

    def sleep(seconds):
        changed = [f"cpu{core} {100 + round(10 * busy)} 0 50 {1010 - round(10 * busy)} 10 0 0 0 9 0"
                   for core, busy in enumerate(cores)]  # fmt: skip
        path.write_text("\n".join(["cpu  1 2 3 4", *changed, "intr 9"]))

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(len(cores))) - {3}, raising=False)
    return path


@pytest.mark.parametrize(
    ("cores", "busy"), [((0, 0.1), 0.0), ((1, 0), 1.0), ((0.4, 0.3, 0), 0.7), ((0, 0, 0, 1), 0.0)], ids=str
)
def test_threads_wait_asleep_where_others_are_busy(no_torch_yet, monkeypatch, tmp_path, cores, busy):
    """The fourth core is not this process's."""
    assert wait_asleep_where_busy(stat_of(tmp_path / "stat", monkeypatch, *cores)) == pytest.approx(busy)
    assert os.environ.get("OMP_WAIT_POLICY") == ("passive" if busy else None)


def test_how_threads_wait_is_left_alone_where_it_is_too_late_or_said(no_torch_yet, monkeypatch, tmp_path):
    stat = stat_of(tmp_path / "stat", monkeypatch, 1, 1)
    assert wait_asleep_where_busy(tmp_path / "none") == 0.0
    for name, value in (("GOMP_SPINCOUNT", "1000"), ("OMP_NUM_THREADS", "1")):
        monkeypatch.setenv(name, value)
        assert wait_asleep_where_busy(stat) == 0.0
        monkeypatch.delenv(name)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert wait_asleep_where_busy(stat) == 0.0
    assert "OMP_WAIT_POLICY" not in os.environ
