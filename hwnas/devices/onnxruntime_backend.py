"""onnxruntime for `runner.py`: loads and times ONNX models on the CPU, or on the GPU of a provider.

It needs Python (3.8 or later), numpy and onnxruntime. A run on a GPU ends when the GPU has ended it, and its inputs and
outputs stay there.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Collection
from contextlib import suppress
from time import perf_counter_ns
from typing import Any

import numpy as np
import onnxruntime as ort

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}

TYPES: dict[str, Any] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(bool)": np.bool_,
    **{f"tensor({name})": np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64")},
    **{f"tensor({name})": np.dtype(name) for name in ("int8", "int16", "int32", "int64")},
}
"""The types of inputs that numpy has too."""

BITS: dict[str, tuple[Any, int]] = {
    "tensor(bfloat16)": (np.uint16, 16),
    "tensor(float8e4m3fn)": (np.uint8, 17),
    "tensor(float8e4m3fnuz)": (np.uint8, 18),
    "tensor(float8e5m2)": (np.uint8, 19),
    "tensor(float8e5m2fnuz)": (np.uint8, 20),
}
"""Those that it has not: the type of their bits, and ONNX's number of the type."""


def random_array(node: Any, rng: np.random.Generator, batches: Collection[Any] = ()) -> np.ndarray:
    """An array for one model input, of bits where numpy has not its type; a free first dimension is a batch of 1, and
    so is what has one of the names `batches`."""
    shape = [1 if isinstance(size, str) and size in batches else size for size in node.shape]
    if shape and not (isinstance(shape[0], int) and shape[0] >= 0):
        shape[0] = 1
    if node.type not in TYPES and node.type not in BITS:
        raise ValueError(f"input {node.name} is of type {node.type}, of which no input can be made: only of numbers")
    if not all(isinstance(size, int) and size > 0 for size in shape):
        raise ValueError(f"input {node.name} of shape {node.shape} has no fixed size to time")
    if node.type == "tensor(bfloat16)":  # the upper half of a float32
        return (rng.standard_normal(shape, np.float32).view(np.uint32) >> 16).astype(np.uint16)
    if node.type in BITS:
        return rng.integers(0x30, 0x40, shape).astype(np.uint8)  # positive numbers, none of them denormal
    if np.issubdtype(TYPES[node.type], np.floating):
        return np.asarray(rng.standard_normal(shape)).astype(TYPES[node.type])
    return np.asarray(rng.integers(0, 2, shape)).astype(TYPES[node.type])  # small, as it may be an index


def random_input(node: Any, rng: np.random.Generator, place: str, batches: Collection[Any]) -> Any:
    """A value of onnxruntime for one model input."""
    array = random_array(node, rng, batches)
    if node.type not in BITS:
        return ort.OrtValue.ortvalue_from_numpy(array, place, 0)
    make = getattr(ort.OrtValue, "ortvalue_from_numpy_with_onnx_type", None)
    if make is None:
        raise ValueError(f"input {node.name} is of type {node.type}, which onnxruntime {ort.__version__} takes from no "
                         "array: install 1.20 or later")  # fmt: skip
    return make(array, BITS[node.type][1])


class Model:
    """A loaded model whose inputs and outputs stay in place from run to run."""

    def __init__(
        self, path: str, threads: int, provider: str = PROVIDERS["cpu"], place: str = "cpu", profile: str = ""
    ) -> None:
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
        inputs = self.session.get_inputs()
        batches = {node.shape[0] for node in inputs if node.shape}
        for node in inputs:
            self.binding.bind_ortvalue_input(node.name, random_input(node, rng, place, batches))
        outputs = [node.name for node in self.session.get_outputs()]
        for name in outputs:
            self.binding.bind_output(name, place)
        self.session.run_with_iobinding(self.binding)  # allocates the outputs, so that timed runs need not
        for index, value in enumerate(self.binding.get_outputs()):
            self.binding.bind_ortvalue_output(outputs[index], value)

    def time(self, repeats: int) -> list[float]:
        """Seconds of each of `repeats` runs, one after another."""
        run, binding = self.session.run_with_iobinding, self.binding
        stamps = [perf_counter_ns()]
        for _ in range(repeats):
            run(binding)
            stamps.append(perf_counter_ns())
        seconds: list[float] = (np.diff(stamps) / 1e9).tolist()
        return seconds


class Backend:
    """onnxruntime with `threads` on the CPU, or with another provider of `PROVIDERS` on the first GPU."""

    runtime, version = "onnxruntime", ort.__version__
    gpu = "0"

    def __init__(self, threads: int, provider: str = "cpu") -> None:
        self.threads, self.place = (threads, "cpu") if provider == "cpu" else (1, "cuda")
        self.provider = PROVIDERS[provider]
        if provider != "cpu":
            self.runtime = f"onnxruntime-{provider}"
        if self.provider not in ort.get_available_providers():
            raise RuntimeError(f"this onnxruntime has no {self.provider}: pip install onnxruntime-gpu")

    def load(self, path: str) -> Model:
        """The model of `path`, to be timed."""
        return Model(path, self.threads, self.provider, self.place)

    def breakdown(self, path: str, repeats: int) -> dict[str, Any]:
        """The operators and the memory of a model, in a session that is slower than others, as it is profiled."""
        if self.place != "cpu":  # the profile tells only when an operator was launched there
            raise ValueError("onnxruntime tells the time of an operator on the CPU only")
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
        peak_bytes = max(0, peak - before) if peak and before else None
        return {"operators": operator_seconds(events, repeats), "peak_bytes": peak_bytes}


def memory(name: str) -> int | None:
    """Bytes of memory, as /proc/self/status tells under `name`; None where it does not."""
    with suppress(OSError), open("/proc/self/status") as file:
        found = re.search(rf"^{name}:\s*(\d+) kB", file.read(), re.MULTILINE)
        return int(found[1]) * 1024 if found else None
    return None


def operator_seconds(events: list[dict[str, Any]], repeats: int) -> list[dict[str, Any]]:
    """The mean seconds of each operator over `repeats` runs of onnxruntime's profile, after a first that is slow."""
    spent: dict[tuple[str, str, Any], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            key = event["name"][: -len("_kernel_time")], event["args"]["op_name"], event["args"].get("node_index")
            spent.setdefault(key, []).append(event["dur"] / 1e6)
    means = {key: sum(times[len(times) // (repeats + 1) :]) / repeats for key, times in spent.items()}
    return [{"name": name, "type": kind, "seconds": mean} for (name, kind, _), mean in means.items()]
