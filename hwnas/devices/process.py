"""A device behind the one-file runner: the runner is a process, spoken to in JSON lines. Believes nothing it says."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import TypeAdapter

from ..errors import InputError
from ..files import parse
from .base import DeviceError, DeviceInfo, Visit

_INFO = TypeAdapter(DeviceInfo)

PATIENCE = 10.0
"""Seconds that a runner is given to end by itself once its input is closed."""


class RunnerDevice:
    """A `Device` whose runner is started by `command`. It computes float32 at batch 1 until told otherwise."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = list(command)
        self._process: subprocess.Popen[str] | None = None
        self._info: DeviceInfo | None = None

    def __str__(self) -> str:
        return f"device {self.name}"

    @property
    def info(self) -> DeviceInfo:
        """What this device is. Raises `DeviceError` before it is up."""
        if self._info is None:
            raise DeviceError(f"{self} is not running")
        return self._info

    def __enter__(self) -> Self:
        self._complaints = tempfile.TemporaryFile("w+", errors="replace")
        pipe = subprocess.PIPE
        try:
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=self._complaints, text=True, errors="replace"
            )
            said = self._require(self._hear())
            self._info = parse(_INFO, {"precision": "float32", "batch": 1, **said, "device": self.name}, self)
        except OSError as error:
            self.__exit__()
            raise DeviceError(f"{self} cannot start: {error}") from None
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        process, self._process, self._info = self._process, None, None
        if process is not None:
            try:
                process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        self._complaints.close()

    def load(self, key: str, path: Path) -> None:
        """Get the ONNX model of `path` ready. Raises `InputError` where the runtime cannot run it."""
        reply = self._ask(do="load", key=key, path=str(Path(path).resolve()))
        if "error" in reply:
            raise InputError(f"{path} does not run on {self}: {reply['error']}")

    def unload(self, key: str) -> None:
        """Forget the model `key`."""
        self._require(self._ask(do="unload", key=key))

    def time(self, visits: Sequence[Visit]) -> list[np.ndarray]:
        """Raw seconds of every run. Raises `DeviceError` for an answer that is not that many positive times."""
        told = self._require(self._ask(do="time", visits=list(visits))).get("seconds")
        if not isinstance(told, list) or len(told) != len(visits):
            raise DeviceError(f"{self} did not answer {len(visits)} visits with as many lists of times")
        return [self._seconds(key, repeats, times) for (key, repeats), times in zip(visits, told, strict=True)]

    def _seconds(self, key: str, repeats: int, times: Any) -> np.ndarray:
        try:
            seconds = np.asarray(times, dtype=np.float64)
        except (TypeError, ValueError):
            raise DeviceError(f"{self} answered {key} with something other than times") from None
        if seconds.shape != (repeats,):
            raise DeviceError(f"{self} was asked for {repeats} times of {key}, answered {seconds.size}")
        if not (np.isfinite(seconds) & (seconds > 0)).all():
            raise DeviceError(f"{self} answered {key} with a time that is no positive number")
        return seconds

    def _require(self, reply: dict[str, Any]) -> dict[str, Any]:
        if "error" in reply:
            raise DeviceError(f"{self}: {reply['error']}")
        return reply

    def _ask(self, **request: Any) -> dict[str, Any]:
        if self._process is None:
            raise DeviceError(f"{self} is not running")
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self._death() from None
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            raise self._death()
        try:
            reply = json.loads(line)
        except json.JSONDecodeError:
            reply = None
        if not isinstance(reply, dict):
            raise DeviceError(f"{self} answered something other than a JSON object: {line.strip()[:80]}")
        return reply

    def _death(self) -> DeviceError:
        """The error for a runner that ended in the middle of a conversation, with its last words."""
        self._complaints.seek(0)
        words = self._complaints.read().split("\n")
        last = next((line.strip() for line in reversed(words) if line.strip()), "no message")
        return DeviceError(f"{self} ended unexpectedly: {last}")
