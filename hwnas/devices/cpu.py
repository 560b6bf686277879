"""The CPU that hwnas itself runs on, behind the same runner as any other device."""

import sys
from pathlib import Path

from .process import RunnerDevice

RUNNER = Path(__file__).with_name("runner.py")


class LocalCpu(RunnerDevice):
    """onnxruntime on `threads` cores of this machine, in a process of its own.

    Its own process, because torch's threads and allocator in the same one would be part of what is timed.
    """

    def __init__(self, threads: int = 1) -> None:
        # -P: the runner must not find its neighbours in this folder in place of the standard library.
        super().__init__("cpu", [sys.executable, "-P", str(RUNNER), "--threads", str(threads)])
