"""Answer a runner's requests by `onnxruntime_perf_test` on a phone that has no Python: one process for each visit."""

import json
import posixpath
import re
import shlex
import time
from pathlib import Path
from typing import Any

from ..errors import DeviceError
from .channel import last_line
from .onnxruntime import OnnxRuntime
from .phone import Phone
from .phone_channel import PhoneChannel

WARM_UP = 10
"""Runs that are left out of each visit: its process is new, so that its first ones fill caches and raise the clock."""


class PerfTestFailed(Exception):  # noqa: N818  it becomes an answer
    """The program ended with an error or without the times asked for; the message says which in one line."""


class PerfTestChannel(PhoneChannel):
    """onnxruntime's own benchmark program at the path `program` on the phone, in place of a runner."""

    def __init__(self, phone: Phone, folder: str, runtime: OnnxRuntime, program: str) -> None:
        super().__init__(phone, folder, runtime)
        self._program = program
        self._models: dict[str, str] = {}
        self._sent = self._runs = 0
        self._greeting: dict[str, Any] = {}
        self._request: dict[str, Any] = {}

    def put(self, path: Path) -> str:
        """Copy a model to the phone under a name of its own, as it is read again in every visit."""
        self._sent += 1
        return self.copy(path, f"{self._sent}.onnx")

    def send(self, line: str) -> None:
        """Take a request, which `receive` carries out."""
        self._request = json.loads(line)

    def receive(self, timeout: float) -> str:
        """The answer. Raises `ChannelClosed`, `TimeoutError` or `DeviceError`."""
        if self._greeting:
            reply, self._greeting = self._greeting, {}
            return json.dumps(reply) + "\n"
        if self._request["do"] == "state":
            return self.state()
        try:
            reply = self._answer(self._request, time.monotonic() + timeout)
        except PerfTestFailed as failed:
            reply = {"error": str(failed)}
        return json.dumps(reply) + "\n"

    def _begin(self) -> None:
        if self.phone.shell(shlex.join(["test", "-x", self._program]))[0]:
            message = f"no program {self._program} on the phone: copy it there by adb push, then chmod 755 it"
            raise DeviceError(message, code="device.no-program", program=self._program)
        # The program does not tell its version, and a table must not mix two builds of it.
        digest = re.match(r"([0-9a-f]{64})\s", self._run(["sha256sum", self._program]))
        if not digest:
            message = f"sha256sum does not tell what {self._program} is"
            raise DeviceError(message, code="device.answer", what="sha256sum")
        self._greeting = {
            **self.fields,
            "runtime": "onnxruntime",
            "version": f"perf_test {digest[1][:12]}",
            "threads": self.threads,
            "cores": sorted(set(self.cores)),
        }

    def _answer(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        """The reply to one request."""
        if request["do"] == "load":
            self._run_model(request["path"], 1, deadline)
            self._models[request["key"]] = request["path"]
            return {}
        if request["do"] == "time":
            return {"seconds": [self._times(self._model(key), runs, deadline) for key, runs in request["visits"]]}
        if request["do"] == "unload":
            self._run(["rm", "-f", self._model(request["key"])])
            del self._models[request["key"]]
            return {}
        raise PerfTestFailed(f"onnxruntime_perf_test has no {request['do']}: that needs python on the phone")

    def _model(self, key: str) -> str:
        if key not in self._models:
            raise PerfTestFailed(f"no model {key} is loaded")
        return self._models[key]

    def _times(self, model: str, repeats: int, deadline: float) -> list[float]:
        """Seconds of `repeats` runs of the model at a path on the phone, after those that are left out."""
        return self._run_model(model, WARM_UP + repeats, deadline)[WARM_UP:]

    def _run_model(self, model: str, runs: int, deadline: float) -> list[float]:
        """Seconds of `runs` runs of a model, in a process of their own.

        Each has a file of results of its own: where the connection broke, the process of the last time may go on.
        """
        self._runs += 1
        result = f"{self.folder}/{self._runs}.csv"
        options = ["-I", "-e", "cpu", "-m", "times", "-S", "1", "-y", "1", "-x", str(self.threads)]
        command = [self._program, *options, "-r", str(runs), model, result]
        libraries = shlex.quote(posixpath.dirname(self._program))  # where a build against a shared library has it
        status, printed = self.phone.shell(
            f"rm -f {shlex.quote(self.folder)}/*.csv; LD_LIBRARY_PATH={libraries} {self.pinned(command)} 2>&1",
            max(deadline - time.monotonic(), 0.001),
        )
        if status:
            raise PerfTestFailed(last_line(printed) or f"onnxruntime_perf_test ended with status {status}")
        return _column(self._run(["cat", result]), runs)


def _column(result: str, runs: int) -> list[float]:
    """Seconds of each run, of the lines "name, seconds, memory, CPU share, number of the run" of a result file."""
    rows = [line.rsplit(",", 4) for line in result.splitlines()]
    if [row[-1] for row in rows] != [str(run) for run in range(runs)]:
        raise PerfTestFailed(f"onnxruntime_perf_test was asked for {runs} runs, wrote {len(rows)} lines of something")
    try:
        return [float(row[-4]) for row in rows]
    except (ValueError, IndexError):
        raise PerfTestFailed("onnxruntime_perf_test wrote something other than times") from None
