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
from .channel import ChannelClosed, Lines, last_line
from .runtime import Runtime
from .spec import Transport

EXIT_SECONDS = 2.0
"""Seconds that a runner is given to end by itself once its input is closed. It has nothing to save."""


class LocalChannel:
    """A runner that `command` starts here, in a process of its own: torch's threads and allocator in the same one would
    be part of what is timed."""

    resumable = False

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process of an open channel."""
        return self._running().pid

    def open(self) -> None:
        """Start the process. Raises `DeviceError` where there is no such program."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  `close` closes it
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=pipe,
                stdout=pipe,
                stderr=self._errors,
                bufsize=0,
                process_group=0,  # Ctrl-C is for hwnas alone, and what the runner has started can be ended with it
            )
        except OSError as error:
            self._errors.close()
            raise DeviceError(f"cannot start: {error}", code="device.cannot-start") from None
        assert self._process.stdin is not None  # as both are pipes
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._lines = Lines()
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._output, selectors.EVENT_READ)

    def send(self, line: str) -> None:
        """Send one line. Raises `ChannelClosed` where the process has ended."""
        data = memoryview(line.encode())
        try:
            while data:
                data = data[self._input.write(data) :]
        except OSError:
            raise self._ended() from None

    def receive(self, timeout: float) -> str:
        """The next line. Raises `ChannelClosed`, `TimeoutError` after `timeout` seconds, or `DeviceError`."""
        deadline = monotonic() + timeout
        while (line := self._lines.next()) is None:
            if not self._readable.select(max(0.0, deadline - monotonic())):
                raise TimeoutError
            data = os.read(self._output.fileno(), 2**16)
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
        self._input.close()
        self._output.close()
        if self._exit_status(process) is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._errors.close()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the channel is open"
        return self._process

    def _ended(self) -> ChannelClosed:
        status = self._exit_status(self._running())
        self._errors.seek(0)
        words = last_line(self._errors.read().decode(errors="replace"))
        return ChannelClosed(words or ("it closed its output" if status is None else f"exit status {status}"))

    @staticmethod
    def _exit_status(process: subprocess.Popen[bytes]) -> int | None:
        """The exit status of the process, or None where it has not ended after `EXIT_SECONDS`."""
        try:
            return process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            return None


class Local(Transport):
    """The machine that hwnas itself runs on."""

    def channel(self, runtime: Runtime) -> LocalChannel:
        """A process of the same Python."""
        # -P: the runner must not find its neighbours in this folder in place of the standard library.
        return LocalChannel([sys.executable, "-P", *map(str, runtime.command())])
