"""Jobs in processes of their own, and settings of this one that are put back."""

import os
import signal
from pathlib import Path

import pytest
import torch

from hwnas.progress import silent
from hwnas.references import allow, allowed
from hwnas.testing import refused
from hwnas.workers import run_all, torch_threads


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


@pytest.mark.parametrize("count", [1, 3, None])
def test_threads_of_torch_are_put_back(count):
    before = torch.get_num_threads()
    with torch_threads(count):
        assert torch.get_num_threads() == (count or before)
    assert torch.get_num_threads() == before
