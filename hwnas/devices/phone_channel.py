"""The conversation with a runner on a phone: a folder of its own there, fast cores, and what the phone says it is."""

import json
import secrets
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import DeviceError
from . import android, answers
from .channel import ChannelClosed, Unreachable, last_line
from .phone import Phone, Stream
from .runtime import Runtime


class PhoneChannel:
    """What every channel to a phone does; `_begin` starts whatever runs models there."""

    resumable = True

    def __init__(self, phone: Phone, folder: str, runtime: Runtime) -> None:
        self.phone, self.runtime = phone, runtime
        self.parent = folder
        self.folder = f"{folder}/{secrets.token_hex(4)}"  # two conversations with one phone must not meet
        self.threads: int = getattr(runtime, "threads", 1)
        self.cores: tuple[int, ...] = ()
        self.fields: dict[str, Any] = {}
        self._has_folder = False

    def open(self) -> None:
        """Find the phone and start the runner. Raises `DeviceError`, `Unreachable` where another try may succeed."""
        self._end_program()
        try:
            self.phone.find()
            self._run(["mkdir", "-p", self.folder])
            self._has_folder = True
            self.cores = getattr(self.runtime, "cores", ()) or android.fast_cores(self.phone, self.threads)
            self.fields = {**android.describe(self.phone, self.cores), "cores_reason": self._why()}
            self._begin()
        except ChannelClosed as closed:
            raise Unreachable(str(closed)) from None
        except TimeoutError:
            raise Unreachable(f"the phone did not answer within {self.phone.timeout:g} s") from None

    def copy(self, path: Path, name: str) -> str:
        """Bring a local file into the folder on the phone, over any of that name: its path there."""
        to = f"{self.folder}/{name}"
        self.phone.push(path, to)
        return to

    def close(self) -> None:
        """End the runner and remove the folder, if the phone is still there."""
        self._end_program()
        if self._has_folder:
            self._has_folder = False
            with suppress(ChannelClosed, TimeoutError, DeviceError):
                self.phone.shell(f"rm -rf {shlex.quote(self.folder)}; rmdir {shlex.quote(self.parent)} 2>&1")

    def pinned(self, command: Sequence[str]) -> str:
        """`command` on the cores in use, quoted for the phone's shell."""
        # Android's taskset knows no -c: it takes a hexadecimal mask.
        return shlex.join(["taskset", f"{sum(1 << core for core in set(self.cores)):x}", *command])

    def state(self) -> str:
        """The line that answers a request for the state, as the phone tells it."""
        return json.dumps(android.state(self.phone, self.cores)) + "\n"

    def _why(self) -> str:
        """Which cores are in use, where they were chosen here."""
        numbers = ",".join(map(str, self.cores))
        return (
            "" if getattr(self.runtime, "cores", ()) else f"{numbers}: the highest clock first, of equal ones the last"
        )

    def _run(self, command: Sequence[str]) -> str:
        """What a command prints. Raises `DeviceError` where it fails."""
        status, printed = self.phone.shell(f"{shlex.join(command)} 2>&1")
        if status:
            message = f"{command[0]} fails on the phone: {last_line(printed) or f'status {status}'}"
            raise DeviceError(message, code="device.command-failed", command=command[0], status=status)
        return printed

    def _begin(self) -> None:
        raise NotImplementedError

    def _end_program(self) -> None:
        """End what `_begin` started, if anything."""


class PythonChannel(PhoneChannel):
    """The runner under a Python on the phone, which `python` starts: a command of the phone's shell."""

    def __init__(self, phone: Phone, folder: str, runtime: Runtime, python: str) -> None:
        super().__init__(phone, folder, runtime)
        self._python = shlex.split(python)
        self._errors = f"{self.folder}/errors"
        self._stream: Stream | None = None
        self._greeted = self._asked_state = False

    def put(self, path: Path) -> str:
        """Copy a model to the phone, over the one before: a runner has read it whole by the time that it answers."""
        return self.copy(path, f"model{path.suffix}")

    def send(self, line: str) -> None:
        """Send one line. The state is asked of the phone, whose shell may read more sensors than a program on it."""
        self._asked_state = json.loads(line)["do"] == "state"
        if not self._asked_state:
            self._program().send(line, self.phone.timeout)

    def receive(self, timeout: float) -> str:
        """The next line. Raises `ChannelClosed`, `TimeoutError` or `DeviceError`."""
        if self._asked_state:
            return self.state()
        try:
            line = self._program().line(timeout)
        except ChannelClosed as closed:
            raise ChannelClosed(self._last_error() or str(closed)) from None
        if not self._greeted:
            self._greeted = True
            return self._add_fields(line)
        return line

    def _begin(self) -> None:
        # Named by number, as Python would take a file of the runner's folder for a module of the same name.
        words = [
            word if isinstance(word, str) else self.copy(word, f"file{number}{word.suffix}")
            for number, word in enumerate(self.runtime.command())
        ]
        command = self.pinned([*self._python, *words])
        self._greeted = self._asked_state = False
        self._stream = self.phone.start(f"exec {command} 2>{shlex.quote(self._errors)}")

    def _end_program(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _program(self) -> Stream:
        assert self._stream is not None, "the channel is open"
        return self._stream

    def _add_fields(self, line: str) -> str:
        """The runner's first line with what the phone tells of itself, which a program on it cannot see."""
        greeting = answers.parse_object(line)
        own = {} if "error" in greeting else {name: value for name, value in self.fields.items() if value}
        return json.dumps({**greeting, **own}) + "\n"

    def _last_error(self) -> str:
        """The last line of the runner's errors, if the phone is still there to tell."""
        try:
            return last_line(self.phone.shell(f"tail -n 5 {shlex.quote(self._errors)} 2>/dev/null")[1])
        except (ChannelClosed, TimeoutError, DeviceError):
            return ""
