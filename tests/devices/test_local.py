"""The runner as a process of this machine: it ends with whoever started it, and with it all that it started."""

import os
import signal
import subprocess
import sys

import pytest
from processes import wait_for_end

from hwnas.devices import local
from hwnas.devices.channel import ChannelClosed
from hwnas.devices.local import LocalChannel


def test_the_runner_ends_with_its_parent():
    """A parent that is killed cannot say goodbye; the runner must not stay behind and disturb the next measurement."""
    code = "from hwnas import devices\nimport time\nwith devices.get('cpu') as cpu:\n"
    code += "    print(cpu.channel.pid, flush=True)\n    time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    runner = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    assert wait_for_end(runner)


def test_a_runner_that_hangs_is_ended_with_what_it_started(monkeypatch):
    """Such as the process of its own in which a model is broken down."""
    monkeypatch.setattr(local, "EXIT_SECONDS", 0.1)
    inner = "import time; time.sleep(600)"
    code = f"import subprocess, sys; inner = subprocess.Popen([sys.executable, '-c', {inner!r}]); "
    channel = LocalChannel([sys.executable, "-c", code + "print(inner.pid, flush=True); inner.wait()"])
    channel.open()
    pids = channel.pid, int(channel.receive(60))
    channel.close()
    assert all(map(wait_for_end, pids))


def test_ctrl_c_is_not_for_the_runner():
    """A terminal sends it to the group of processes that is in front of it."""
    channel = LocalChannel([sys.executable, "-c", "print(input(), flush=True)"])
    channel.open()
    assert os.getpgid(channel.pid) == channel.pid != os.getpgrp()
    channel.send("still here\n")
    assert channel.receive(60) == "still here\n"
    channel.close()


def test_a_runner_that_closes_its_output(monkeypatch):
    monkeypatch.setattr(local, "EXIT_SECONDS", 0.1)
    channel = LocalChannel([sys.executable, "-c", "import os, time; os.close(1); time.sleep(600)"])
    channel.open()
    with pytest.raises(ChannelClosed, match="closed its output"):
        channel.receive(60)
    channel.close()


def test_a_runner_that_is_killed():
    channel = LocalChannel([sys.executable, "-c", "import time; time.sleep(600)"])
    channel.open()
    os.kill(channel.pid, signal.SIGKILL)
    with pytest.raises(ChannelClosed, match="exit status -9"):
        channel.receive(60)
    channel.close()
