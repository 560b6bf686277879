"""Threads of this process: how many compute, and how they wait for each other."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY = 0.5
"""Cores that others keep busy from which on torch's threads should not wait for each other awake."""
WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Settings of OpenMP, whose threads torch has: where one is set, the user has decided."""


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Torch has `count` threads in the body (None: as many as before), and afterwards as many as it had."""
    if count is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """The linear algebra of numpy and scipy has one thread in the body; torch's is not concerned.

    For many products of small matrices, where two threads wait for each other more than they compute: a fit of 150
    latencies took 6 to 18 s, depending on what else ran, and 1 s with one; an update of MnasNet's controller 4.1 ms
    alone on the machine, 20 ms beside others, and 3.5 ms with one.
    """
    from threadpoolctl import ThreadpoolController

    with ThreadpoolController().limit(limits=1, user_api="blas"):  # of what is loaded by now, found in 1 ms
        yield


def wait_asleep_where_busy(stat: Path = Path("/proc/stat")) -> float:
    """Have torch's threads sleep while they wait for each other, if others keep a core busy now: that many cores.

    To be called before torch is loaded; 0 where it is loaded, where a setting of OpenMP says how to wait or that there
    is one thread, or where the system does not tell. Results are the same bit for bit. By default the threads wait
    awake, at a cost where one of them has to share its core: 450 steps of nas-bench-macro-16 at batch 32 took 10.9 s
    with two threads on two free cores, and 82 s with a busy program on one of them (33 and 42 s in other sessions);
    asleep, 20.5 s and 23.4 s; with one thread 11.8 s and 11.6 s.
    """
    told = os.environ.get("OMP_NUM_THREADS") == "1" or any(name in os.environ for name in WAITING)
    if "torch" in sys.modules or told:
        return 0.0
    cores = _busy_cores(stat)
    if cores < BUSY:
        return 0.0
    os.environ["OMP_WAIT_POLICY"] = "passive"
    return cores


def _busy_cores(stat: Path, seconds: float = 0.1) -> float:
    """How many of the cores that this process may use are busy while it sleeps for `seconds`; 0 where Linux does not
    tell."""
    try:
        before = _jiffies(stat)
        time.sleep(seconds)
        after = _jiffies(stat)
    except (OSError, ValueError, AttributeError):  # not Linux
        return 0.0
    busy = 0.0
    for core, (total, idle) in after.items():
        passed = total - before.get(core, (total, idle))[0]
        busy += 1 - (idle - before[core][1]) / passed if passed else 0.0
    return busy


def _jiffies(stat: Path) -> dict[int, tuple[int, int]]:
    """For each core that this process may use the time that passed and the time without work, in proc(5)'s units."""
    mine, found = os.sched_getaffinity(0), {}
    for line in stat.read_text().splitlines():
        name, *counts = line.split()
        if name[:3] == "cpu" and name != "cpu" and int(name[3:]) in mine:
            times = [int(count) for count in counts[:8]]  # those of guests are counted among the others
            found[int(name[3:])] = (sum(times), times[3] + times[4])
    return found
