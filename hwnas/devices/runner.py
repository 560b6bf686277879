"""Time models on the machine that runs this file, asked in JSON lines on standard input.

    python runner.py [--threads 4] [--cores 0,1,2,3 | --chooser cores.py] BACKEND.py [ARGUMENT ...]
    python runner.py --gpu nvidia_gpu.py BACKEND.py [ARGUMENT ...]

It needs only Python (3.8 or later), so that it serves this machine, a board and a phone. Another file is the backend,
whose class `Backend` is made as `Backend(threads, *arguments)` once the process is pinned to its cores. It has

    runtime, version      what tables record, as texts
    load(path)            a model with `time(repeats)`, which gives the seconds of each run; with `close()`, if need be

and where it can tell more:

    breakdown(path, repeats)    {"operators": [{"name": ..., "type": ..., "seconds": ...}, ...], "peak_bytes": ...};
                                of a CPU called in a new process, whose memory is that of this model alone
    describe()                  fields of the greeting that this file does not know, or knows less well
    gpu, name                   where it runs on a GPU: nvidia-smi's id of it ("0", if not told), and its name

Nothing here decides how often or in what order to measure. The conversation:
    (start)                                          {"model": ..., "runtime": ..., ...}      the machine, once
    {"do": "load", "key": k, "path": p}              {}
    {"do": "time", "visits": [[k, repeats], ...]}    {"seconds": [[s, ...], ...]}             one list for each visit
    {"do": "unload", "key": k}                       {}
    {"do": "state"}                                  {"mhz": f, "celsius": t, "throttled": b} or nulls
    {"do": "breakdown", "path": p, "repeats": n}     {"operators": [{"name": ..., ...}, ...], "peak_bytes": b}
    (anything that fails)                            {"error": "one line"}

It ends when standard input closes, or where it cannot start.
"""

from __future__ import annotations

import argparse
import gc
import glob
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Fields = dict[str, Any]  # which Python 3.8 cannot evaluate


def read(path: str) -> str | None:
    """The text of a small file of the operating system, or None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\0 \n")
    except OSError:
        return None


def number_between(text: str | None, least: float, most: float) -> float | None:
    """The number that `text` is, or None where it is none from `least` to `most`."""
    value = float(text) if text and re.fullmatch(r"\d+(\.\d*)?", text) else -1.0
    return value if least <= value <= most else None


def cpuinfo(name: str) -> list[str]:
    """Every value of the field `name` in /proc/cpuinfo."""
    return re.findall(rf"^{name}\s*:\s*(.+)", read("/proc/cpuinfo") or "", re.MULTILINE)


def pin(threads: int, cores: list[int], chosen: list[int]) -> list[int]:
    """Stay on `cores`, or else on those that were `chosen`, or the last `threads` ones, where that is possible."""
    got: list[int] = []
    try:
        wanted = cores or chosen or sorted(os.sched_getaffinity(0))[-threads:]
        os.sched_setaffinity(0, wanted)
        got = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        pass
    if cores and got != sorted(set(cores)):
        raise ValueError(f"cannot run on the cores {cores}: this machine gives {got or 'no choice'}")
    there = len(got) or os.cpu_count() or threads
    if there < threads:
        raise ValueError(f"cannot run {threads} threads: this machine gives {there} cores, so ask for as many at most")
    return got


class Cpu:
    """The cores in use, `threads` of them: `cores` where given, and what the operating system tells of them."""

    def __init__(self, threads: int, cores: list[int], chosen: tuple[list[int], str] = ([], "")) -> None:
        self.threads, self.pinned = threads, pin(threads, cores, chosen[0])
        self.why = "" if cores or not self.pinned else chosen[1]
        self.cores = self.pinned or list(range(os.cpu_count() or 1))

    def clocks(self, name: str) -> list[float]:
        """MHz of each core in use, from the files `name` of the kernel's clock control."""
        texts = [read(f"/sys/devices/system/cpu/cpu{core}/cpufreq/{name}") for core in self.cores]
        return [khz / 1e3 for khz in (number_between(text, 1, 1e8) for text in texts) if khz]

    def describe(self) -> Fields:
        """What times measured here depend on."""
        names = cpuinfo("model name") or cpuinfo("Hardware") or [platform.processor() or platform.machine()]
        return {
            "model": names[-1],
            "threads": self.threads,
            "os": f"{platform.system()} {platform.machine()}",
            "cores": self.pinned,
            "cores_reason": self.why,
            "chip": read("/proc/device-tree/model") or "",
            "governor": read(f"/sys/devices/system/cpu/cpu{self.cores[-1]}/cpufreq/scaling_governor") or "",
            "max_mhz": max(self.clocks("cpuinfo_max_freq"), default=None),
        }

    def state(self) -> Fields:
        """Clock, heat, and whether the clock is held back."""
        by_core = dict(zip(cpuinfo("processor"), cpuinfo("cpu MHz")))  # noqa: B905  `strict` is of Python 3.10
        clocks: list[float | None] = [*self.clocks("scaling_cur_freq")]
        clocks = clocks or [number_between(by_core.get(str(core)), 1, 1e5) for core in self.cores]
        zones = [number_between(read(path), 1e3, 150e3) for path in glob.glob("/sys/class/thermal/thermal_zone*/temp")]
        firmware = read("/sys/devices/platform/soc/soc:firmware/get_throttled") or ""  # of a Raspberry Pi
        allowed, able = self.clocks("scaling_max_freq"), self.clocks("cpuinfo_max_freq")
        throttled = sum(allowed) < sum(able) if allowed and len(allowed) == len(able) else None
        if re.fullmatch("(0x)?[0-9a-f]+", firmware):
            throttled = int(firmware, 16) & 0xF != 0  # the low bits are of now, the others of some time before
        known = [mhz for mhz in clocks if mhz]
        return {
            "mhz": sum(known) / len(known) if len(known) == len(clocks) else None,
            "celsius": max((zone / 1e3 for zone in zones if zone), default=None),
            "throttled": throttled,
        }


def load_file(path: str) -> Any:
    """A Python file as a module, wherever it is."""
    spec = importlib.util.spec_from_file_location("backend", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["backend"] = module  # as dataclasses ask for the module of their class
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ImportError(f"this Python ({sys.executable}) lacks what the runtime needs: {error}") from None
    return module


class Runner:
    """The machine, the backend, the loaded models by key, and an answer to each request."""

    def __init__(self, asked: argparse.Namespace) -> None:
        chosen = load_file(asked.chooser).choose(asked.threads) if asked.chooser else ([], "")
        kind = load_file(asked.backend).Backend
        cpu = None if asked.gpu else Cpu(asked.threads, asked.cores, chosen)  # pinned before any thread is started
        self.backend = kind(asked.threads, *asked.arguments)
        self.machine: Any = cpu or load_file(asked.gpu).Gpu(self.backend)
        self.in_this_process = asked.alone or cpu is None  # a GPU tells its memory itself
        self.models: Fields = {}

    def describe(self) -> Fields:
        """The greeting."""
        own = self.backend.describe() if hasattr(self.backend, "describe") else {}
        return {**self.machine.describe(), "runtime": self.backend.runtime, "version": self.backend.version, **own}

    def answer(self, request: Fields) -> Fields:
        """The reply to one request."""
        do = request["do"]
        if do == "load":
            model = self.backend.load(request["path"])
            self.unload(request["key"])
            self.models[request["key"]] = model
            return {}
        if do == "time":
            return {"seconds": [self.models[key].time(repeats) for key, repeats in request["visits"]]}
        if do == "unload":
            _ = self.models[request["key"]]  # an error where it is not loaded
            self.unload(request["key"])
            return {}
        if do == "state":
            return dict(self.machine.state())
        if do == "breakdown":
            return self.breakdown(request) if self.in_this_process else in_new_process(request)
        raise ValueError(f"no such request: {do}")

    def unload(self, key: str) -> None:
        """Give back a model, if there is one."""
        model = self.models.pop(key, None)
        if hasattr(model, "close"):
            model.close()

    def breakdown(self, request: Fields) -> Fields:
        """Where time and memory of a model go, if the backend can tell."""
        if not hasattr(self.backend, "breakdown"):
            raise ValueError(f"{self.backend.runtime} does not tell the time of an operator")
        return dict(self.backend.breakdown(request["path"], request["repeats"]))


def in_new_process(request: Fields) -> Fields:
    """The answer of a runner that has done nothing else: memory that this one had before would not count again."""
    command = [sys.executable, os.path.abspath(__file__), "--alone", *sys.argv[1:]]
    ended = subprocess.run(command, input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True)
    return dict(json.loads(ended.stdout.splitlines()[-1]))


def one_line(error: Exception) -> str:
    """What went wrong, in one line, after its type where it is no error that was foreseen."""
    foreseen = isinstance(error, (ImportError, RuntimeError, ValueError)) and str(error)
    return " ".join((foreseen or f"{type(error).__name__}: {error}").split())


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")], default=[])
    parser.add_argument("--chooser", help="the Python file whose function choose knows which cores to take")
    parser.add_argument("--gpu", help="the Python file whose class Gpu knows the GPU that the backend runs on")
    parser.add_argument("--alone", action="store_true", help="do all in this process")
    parser.add_argument("backend", help="the Python file with the class Backend")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="of its Backend, after the threads")
    return parser.parse_args()


def main() -> None:
    """Say what the machine is, then answer each JSON line with one until standard input closes."""
    asked = arguments()
    sys.dont_write_bytecode = True  # which would leave files beside the backend
    if os.path.abspath(sys.path[0]) == os.path.dirname(os.path.abspath(__file__)):
        del sys.path[0]  # the folder of this file may hold an onnxruntime.py
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    runner: Runner | None = None
    try:
        runner = Runner(asked)
        reply = runner.describe()
    except Exception as error:  # whatever it was, the other side must hear of it
        reply = {"error": one_line(error)}
    print(json.dumps(reply), file=answers, flush=True)
    if runner is None:
        return
    gc.disable()  # a collection in the middle of a timed run would be counted as the model's
    for line in sys.stdin:
        try:
            reply = runner.answer(json.loads(line))
        except Exception as error:
            reply = {"error": one_line(error)}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
