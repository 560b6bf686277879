"""Whether processes that a test has started, or had started, are still there."""

import os
import time
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs: one that ended and was not waited for, as in a container without init, does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text() if Path("/proc").is_dir() else not os.kill(pid, 0)
    except OSError:
        return False


def wait_for_end(pid: int) -> bool:
    """Whether the process has ended, or does so in a while."""
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)
