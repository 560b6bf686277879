"""Times ONNX models on the machine that runs this file, asked in JSON lines on standard input.

One file that needs only Python, numpy and onnxruntime, so that the same file serves the local CPU, a board and a
phone. It decides nothing about how often or in what order to measure; it only answers:

    (start)                                        {"model": ..., "runtime": ..., ...}   the machine, once
    {"do": "load", "key": k, "path": p}            {}
    {"do": "time", "visits": [[k, repeats], ...]}  {"seconds": [[s, ...], ...]}          one list for each visit
    {"do": "unload", "key": k}                     {}
    (anything that fails)                          {"error": "one line"}

It ends when standard input closes. It ignores Ctrl-C, which is for the program that started it.
"""

import argparse
import gc
import json
import os
import platform
import signal
import sys
from time import perf_counter_ns

import numpy as np
import onnxruntime as ort

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


def cpu_model():
    """The processor's name, as the operating system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as lines:
            fields = dict(line.split(":", 1) for line in lines if ":" in line)
        names = {key.strip().lower(): value.strip() for key, value in fields.items()}
        return names.get("model name") or names["hardware"]
    except (OSError, KeyError):
        return platform.processor() or platform.machine()


def pin(threads):
    """Stay on the last `threads` cores, where allowed: the fast ones of a phone, far from interrupts on a server."""
    try:
        cores = sorted(os.sched_getaffinity(0))[-threads:]
        os.sched_setaffinity(0, cores)
        return cores
    except (AttributeError, OSError):
        return []


def random_input(node, rng):
    """An array for one model input; a free first dimension is a batch of 1."""
    shape = list(node.shape)
    if shape and not isinstance(shape[0], int):
        shape[0] = 1
    if not all(isinstance(size, int) for size in shape) or node.type not in DTYPES:
        raise ValueError(f"input {node.name} of type {node.type} and shape {node.shape} has no fixed size to time")
    return rng.standard_normal(shape).astype(DTYPES[node.type])


class Model:
    """A loaded model whose inputs and outputs stay in place from run to run."""

    def __init__(self, path, threads):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        rng = np.random.default_rng(0)
        for node in self.session.get_inputs():
            value = ort.OrtValue.ortvalue_from_numpy(random_input(node, rng))
            self.binding.bind_ortvalue_input(node.name, value)
        outputs = [node.name for node in self.session.get_outputs()]
        for name in outputs:
            self.binding.bind_output(name)
        self.session.run_with_iobinding(self.binding)  # allocates the outputs, so that timed runs need not
        for name, value in zip(outputs, self.binding.get_outputs(), strict=True):
            self.binding.bind_ortvalue_output(name, value)

    def time(self, repeats):
        """Seconds of each of `repeats` runs, one after another."""
        run, binding = self.session.run_with_iobinding, self.binding
        stamps = [perf_counter_ns()]
        for _ in range(repeats):
            run(binding)
            stamps.append(perf_counter_ns())
        return (np.diff(stamps) / 1e9).tolist()


class Runner:
    """The loaded models by key, and an answer to each request."""

    def __init__(self, threads):
        self.threads = threads
        self.models = {}

    def answer(self, request):
        """The reply to one request."""
        if request["do"] == "load":
            self.models[request["key"]] = Model(request["path"], self.threads)
            return {}
        if request["do"] == "time":
            return {"seconds": [self.models[key].time(repeats) for key, repeats in request["visits"]]}
        if request["do"] == "unload":
            del self.models[request["key"]]
            return {}
        raise ValueError("no such request: {}".format(request["do"]))


def describe(threads):
    """What times measured here depend on."""
    return {
        "model": cpu_model(),
        "runtime": "onnxruntime",
        "version": ort.__version__,
        "threads": threads,
        "os": f"{platform.system()} {platform.machine()}",
        "cores": pin(threads),
    }


def main():
    """Answer one JSON line with one JSON line until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(json.dumps(describe(threads)), flush=True)
    runner = Runner(threads)
    gc.disable()  # a collection in the middle of a timed run would be counted as the model's
    for line in sys.stdin:
        try:
            reply = runner.answer(json.loads(line))
        except Exception as error:  # whatever it was, the other side must hear of it
            reply = {"error": " ".join(f"{type(error).__name__}: {error}".split())}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
