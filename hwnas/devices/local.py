"""This machine: the runner is a process of its own, spoken to through pipes."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from ..errors import DeviceError
from .channel import Channel, ChannelClosed, Lines, last_words
from .spec import Runtime, Transport

PATIENCE = 2.0
"""Seconds that a runner is given to end by itself once its input is closed. It has nothing to save."""


class LocalChannel:
    """A runner that `command` starts here. Its own process, because torch's threads and allocator in the same one would
    be part of what is timed."""

    resumable = False

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process of an open channel."""
        return self._process.pid

    def open(self) -> None:
        """Start the process. Raises `DeviceError` where there is no such program."""
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=pipe,
                stdout=pipe,
                stderr=self._complaints,
                bufsize=0,
                process_group=0,  # Ctrl-C is for hwnas alone, and what the runner has started can be ended with it
            )
        except OSError as error:
            self._complaints.close()
            raise DeviceError(f"cannot start: {error}") from None
        self._lines = Lines()
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._process.stdout, selectors.EVENT_READ)

    def send(self, line: str) -> None:
        """Send one line. Raises `ChannelClosed` where the process has ended."""
        data = memoryview(line.encode())
        try:
            while data:
                data = data[self._process.stdin.write(data) :]
        except OSError:
            raise self._ended() from None

    def receive(self, timeout: float) -> str:
        """The next line. Raises `ChannelClosed`, `TimeoutError` after `timeout` seconds, or `DeviceError`."""
        deadline = monotonic() + timeout
        while (line := self._lines.next()) is None:
            if not self._readable.select(max(0.0, deadline - monotonic())):
                raise TimeoutError
            data = os.read(self._process.stdout.fileno(), 2**16)
            if not data:
                raise self._ended()
            self._lines.add(data)
        return line

    def put(self, path: Path) -> str:
        """The file is here already."""
        return str(path.resolve())

    def close(self) -> None:
        """End the process: let it, or kill it."""
        process, self._process = self._process, None
        if process is None:
            return
        self._readable.close()
        process.stdin.close()
        process.stdout.close()
        if self._status(process) is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._complaints.close()

    def _ended(self) -> ChannelClosed:
        status = self._status(self._process)
        self._complaints.seek(0)
        words = last_words(self._complaints.read().decode(errors="replace"))
        return ChannelClosed(words or ("it closed its output" if status is None else f"exit status {status}"))

    @staticmethod
    def _status(process: subprocess.Popen[bytes]) -> int | None:
        """What the process ended with, or None where it goes on beyond all patience."""
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None


class Local(Transport):
    """The machine that hwnas itself runs on."""

    def channel(self, runtime: Runtime) -> Channel:
        """A process of the same Python."""
        # -P: the runner must not find its neighbours in this folder in place of the standard library.
        runner = Path(__file__).with_name(runtime.runner)
        return LocalChannel([sys.executable, "-P", str(runner), *map(str, runtime.arguments())])
