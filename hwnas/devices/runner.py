"""Times ONNX models on the machine that runs this file, asked in JSON lines on standard input.

One file that needs only Python (3.8 or later), numpy and onnxruntime, so that the same file serves the local CPU, a
board and a phone. It decides nothing about how often or in what order to measure; it only answers:

    (start)                                          {"model": ..., "runtime": ..., ...}      the machine, once
    {"do": "load", "key": k, "path": p}              {}
    {"do": "time", "visits": [[k, repeats], ...]}    {"seconds": [[s, ...], ...]}             one list for each visit
    {"do": "unload", "key": k}                       {}
    {"do": "state"}                                  {"mhz": f, "celsius": t, "throttled": b} or nulls
    {"do": "breakdown", "path": p, "repeats": n}     {"operators": [{"name": ..., ...}, ...], "peak_bytes": b}
    (anything that fails)                            {"error": "one line"}

It ends when standard input closes.
"""

import argparse
import gc
import glob
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from time import perf_counter_ns

try:
    import numpy as np
    import onnxruntime as ort
except ImportError as error:
    sys.exit(f"the runner needs numpy and onnxruntime for this Python ({sys.executable}): {error}")

FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
WHOLE = {"tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32, "tensor(int64)": np.int64}


def read(path):
    """The text of a small file of the operating system, or None where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip("\0 \n")
    except OSError:
        return None


def number(text, least, most):
    """The number that `text` is, or None where it is none from `least` to `most`."""
    value = float(text) if re.fullmatch(r"\d+(\.\d*)?", text or "") else -1.0
    return value if least <= value <= most else None


def cpu_says(name):
    """Every value of the field `name` in /proc/cpuinfo."""
    return re.findall(rf"^{name}\s*:\s*(.+)", read("/proc/cpuinfo") or "", re.MULTILINE)


def pin(threads, cores):
    """Stay on `cores`, or the last `threads` ones: the fast ones of a phone, far from interrupts on a server."""
    try:
        wanted = cores or sorted(os.sched_getaffinity(0))[-threads:]
        os.sched_setaffinity(0, wanted)
        got = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        got = []
    if cores and got != sorted(set(cores)):
        sys.exit("cannot run on the cores {}: this machine gives {}".format(cores, got or "no choice"))
    if (there := len(got) or os.cpu_count() or threads) < threads:
        sys.exit(f"cannot run {threads} threads: this machine gives {there} cores, so ask for as many at most")
    return got


class Cpu:
    """The cores in use, `threads` of them: `cores` where given, and what the operating system tells of them."""

    def __init__(self, threads, cores):
        self.threads, self.pinned = threads, pin(threads, cores)
        self.cores = self.pinned or list(range(os.cpu_count() or 1))

    def clocks(self, name):
        """MHz of each core in use, from the files `name` of the kernel's clock control."""
        texts = [read(f"/sys/devices/system/cpu/cpu{core}/cpufreq/{name}") for core in self.cores]
        return [khz / 1e3 for khz in (number(text, 1, 1e8) for text in texts) if khz]

    def describe(self):
        """What times measured here depend on."""
        names = cpu_says("model name") or cpu_says("Hardware") or [platform.processor() or platform.machine()]
        return {
            "model": names[-1],
            "runtime": "onnxruntime",
            "version": ort.__version__,
            "threads": self.threads,
            "os": f"{platform.system()} {platform.machine()}",
            "cores": self.pinned,
            "chip": read("/proc/device-tree/model") or "",
            "governor": read(f"/sys/devices/system/cpu/cpu{self.cores[-1]}/cpufreq/scaling_governor") or "",
            "max_mhz": max(self.clocks("cpuinfo_max_freq"), default=None),
        }

    def state(self):
        """Clock, heat, and whether the clock is held back."""
        told = dict(zip(cpu_says("processor"), cpu_says("cpu MHz")))  # noqa: B905  `strict` is of Python 3.10
        clocks = self.clocks("scaling_cur_freq") or [number(told.get(str(core)), 1, 1e5) for core in self.cores]
        zones = [number(read(path), 1e3, 150e3) for path in glob.glob("/sys/class/thermal/thermal_zone*/temp")]
        firmware = read("/sys/devices/platform/soc/soc:firmware/get_throttled") or ""  # of a Raspberry Pi
        allowed, able = self.clocks("scaling_max_freq"), self.clocks("cpuinfo_max_freq")
        throttled = sum(allowed) < sum(able) if allowed and len(allowed) == len(able) else None
        if re.fullmatch("(0x)?[0-9a-f]+", firmware):
            throttled = int(firmware, 16) & 0xF != 0  # the low bits are of now, the others of some time before
        return {
            "mhz": sum(clocks) / len(clocks) if all(clocks) else None,
            "celsius": max((zone / 1e3 for zone in zones if zone), default=None),
            "throttled": throttled,
        }


def random_input(node, rng):
    """An array for one model input; a free first dimension is a batch of 1."""
    shape = list(node.shape)
    if shape and not isinstance(shape[0], int):
        shape[0] = 1
    if not all(isinstance(size, int) for size in shape) or node.type not in {**FLOATS, **WHOLE}:
        raise ValueError(f"input {node.name} of type {node.type} and shape {node.shape} has no fixed size to time")
    if node.type in WHOLE:
        return rng.integers(0, 2, shape).astype(WHOLE[node.type])  # small, as it may be an index
    return rng.standard_normal(shape).astype(FLOATS[node.type])


class Model:
    """A loaded model whose inputs and outputs stay in place from run to run."""

    def __init__(self, path, threads, provider="CPUExecutionProvider", place="cpu", profile=None):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile:
            options.enable_profiling, options.profile_file_prefix = True, profile
        self.session = ort.InferenceSession(path, options, providers=[provider])
        if self.session.get_providers()[0] != provider:  # it takes the CPU instead without a word
            raise ValueError(f"this onnxruntime cannot use {provider} here")
        self.binding = self.session.io_binding()
        rng = np.random.default_rng(0)
        for node in self.session.get_inputs():
            value = ort.OrtValue.ortvalue_from_numpy(random_input(node, rng), place, 0)
            self.binding.bind_ortvalue_input(node.name, value)
        outputs = [node.name for node in self.session.get_outputs()]
        for name in outputs:
            self.binding.bind_output(name, place)
        self.session.run_with_iobinding(self.binding)  # allocates the outputs, so that timed runs need not
        for index, value in enumerate(self.binding.get_outputs()):
            self.binding.bind_ortvalue_output(outputs[index], value)

    def time(self, repeats):
        """Seconds of each of `repeats` runs, one after another."""
        run, binding = self.session.run_with_iobinding, self.binding
        stamps = [perf_counter_ns()]
        for _ in range(repeats):
            run(binding)
            stamps.append(perf_counter_ns())
        return (np.diff(stamps) / 1e9).tolist()


def memory(name):
    """Bytes of memory, as /proc/self/status tells under `name`; None where it does not."""
    found = re.search(rf"^{name}:\s*(\d+) kB", read("/proc/self/status") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def operators(events, repeats):
    """The mean seconds of each operator over `repeats` runs of onnxruntime's profile, after a first that is slow."""
    spent = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = event["name"][: -len("_kernel_time")], event["args"]["op_name"], event["args"].get("node_index")
            spent.setdefault(key, []).append(event["dur"] / 1e6)
    means = {key: sum(times[len(times) // (repeats + 1) :]) / repeats for key, times in spent.items()}
    return [{"name": name, "type": kind, "seconds": mean} for (name, kind, _), mean in means.items()]


class Runner:
    """The loaded models by key, and an answer to each request."""

    def __init__(self, threads, state, alone):
        self.threads, self.state, self.alone = threads, state, alone
        self.models = {}

    def answer(self, request):
        """The reply to one request."""
        if request["do"] == "load":
            self.models[request["key"]] = Model(request["path"], self.threads)
        elif request["do"] == "time":
            return {"seconds": [self.models[key].time(repeats) for key, repeats in request["visits"]]}
        elif request["do"] == "unload":
            del self.models[request["key"]]
        elif request["do"] == "state":
            return self.state()
        elif request["do"] == "breakdown":
            return self.breakdown(**request) if self.alone else in_new_process(request)
        else:
            raise ValueError(f"no such request: {request['do']}")
        return {}

    def breakdown(self, path, repeats, **_):
        """Where time and memory of a model go, in a session that is slower than others, as it is watched."""
        before = None
        with suppress(OSError), open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # makes what is in use now the peak
            before = memory("VmRSS")
        with tempfile.TemporaryDirectory() as folder:
            model = Model(path, self.threads, profile=os.path.join(folder, "profile"))
            model.time(repeats)
            peak = memory("VmHWM")
            with open(model.session.end_profiling(), encoding="utf-8") as file:
                events = json.load(file)
        return {"operators": operators(events, repeats), "peak_bytes": before and max(0, peak - before)}


def in_new_process(request):
    """The answer of a runner that has done nothing else: memory that this one had before would not count again."""
    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--alone"]
    safe = {**os.environ, "PYTHONSAFEPATH": "1"}  # the folder of this file may hold an onnxruntime.py
    told = subprocess.run(command, input=json.dumps(request).encode(), stdout=subprocess.PIPE, env=safe, check=True)
    return json.loads(told.stdout.splitlines()[-1])


def main():
    """Answer one JSON line with one JSON line until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cores", type=lambda text: [int(core) for core in text.split(",")], default=[])
    parser.add_argument("--alone", action="store_true", help="do all in this process")
    asked = parser.parse_args()
    cpu = Cpu(asked.threads, asked.cores)
    print(json.dumps(cpu.describe()), flush=True)
    runner = Runner(asked.threads, cpu.state, asked.alone)
    gc.disable()  # a collection in the middle of a timed run would be counted as the model's
    for line in sys.stdin:
        try:
            reply = runner.answer(json.loads(line))
        except Exception as error:  # whatever it was, the other side must hear of it
            reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
