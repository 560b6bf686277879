"""How many threads compute, and how they wait for each other."""

import os
import sys
import time

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from hwnas.threads import WAITING, one_blas_thread, torch_threads, wait_asleep_where_busy


def test_linear_algebra_has_one_thread_in_the_body_and_as_many_as_before_afterwards():
    def threads():
        np.ones((2, 2)) @ np.ones((2, 2))
        return [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]

    before = threads()
    with one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before


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
