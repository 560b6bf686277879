"""Builds TensorRT and TensorRT-RTX engines from ONNX files, for TensorRT-RTX with no GPU too, and times them on one.

The backend of `runner.py` for the two packages, whose Python API is the same. It needs Python (3.8 or later), numpy,
`tensorrt` from 10 on or `tensorrt_rtx`, and, to time, cuda-python, which is small: a board need not have torch. What is
timed is one launch of a CUDA graph of the whole model, between two CUDA events. A model computes in the types that its
file says, but float32 in TF32 where the GPU can, as is the default of both packages.
"""

from __future__ import annotations

import functools
import importlib
import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

cudart: Any = None
with suppress(ImportError):  # engines can be built without it
    cudart = importlib.import_module("cuda.bindings.runtime")

WARM_UP = 5
"""Runs before a model is captured; TensorRT-RTX compiles its kernels in the first."""


@functools.lru_cache
def tensorrt(package: str) -> tuple[Any, Any]:
    """The package, and a logger for it that keeps the errors of the last build: one each, as TensorRT asks."""
    try:
        trt: Any = importlib.import_module(package)
    except ImportError:
        raise ImportError(f"{package} is not installed on this machine") from None

    class Log(trt.ILogger):  # type: ignore[misc]  # the package has no types
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.errors.append(message)

    return trt, Log()


def require_made(thing: Any, package: str) -> Any:
    """`thing`, which TensorRT made. Raises `RuntimeError` with its own words where it made nothing."""
    if thing is None:
        raise RuntimeError((tensorrt(package)[1].errors or [f"{package} does not say why it failed"])[-1])
    return thing


def parse(builder: Any, path: str | Path, package: str) -> tuple[Any, Any]:
    """The network of an ONNX file, a free first dimension of an input being 1, and the parser, which holds its weights.

    It is strongly typed, which is to say that it has no types but those in the file.
    """
    trt, log = tensorrt(package)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(path)):
        error = parser.get_error(0)
        operator = error.node_operator() and f"operator {error.node_operator()} ({error.node_name()}) is not accepted: "
        raise ValueError(operator + error.desc())
    if not network.num_outputs:
        raise ValueError("it is no ONNX model")
    for tensor in map(network.get_input, range(network.num_inputs)):
        shape = tuple(tensor.shape)
        if tensor.dtype not in (trt.float32, trt.float16):
            raise ValueError(f"input {tensor.name} is of type {tensor.dtype}: only float32 and float16 are timed here")
        if -1 in shape[1:]:
            raise ValueError(f"input {tensor.name} of shape {shape} has no fixed size to time")
        if shape[:1] == (-1,):
            # Fixed, where a profile would leave it free: TensorRT-RTX begins free shapes with kernels of a last resort.
            tensor.shape = (1, *shape[1:])
    return network, parser


def build(
    path: str | Path, package: str, capability: str | None = None, timing_cache: bytearray | None = None
) -> bytes:
    """A serialized engine, as bytes, of an ONNX file at batch 1.

    It is for the GPU here, or with TensorRT-RTX for any from SM80 on, or for `capability` alone: a name of its
    `ComputeCapability`, such as SM89, or CURRENT. `timing_cache`, a bytearray, holds what earlier builds measured, and
    is brought up to date. Raises `ValueError` for a file that cannot be built, `RuntimeError` for a build that fails.
    """
    trt, log = tensorrt(package)
    log.errors.clear()
    builder = trt.Builder(log)
    network, _parser = parse(builder, path, package)
    config = builder.create_builder_config()
    if package == "tensorrt_rtx":
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # or it may not be captured in a CUDA graph
    if capability is not None:
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.__members__[capability], 0)
    if timing_cache is not None:
        config.set_timing_cache(config.create_timing_cache(bytes(timing_cache)), False)
    engine = require_made(builder.build_serialized_network(network, config), package)
    if timing_cache is not None:
        timing_cache[:] = bytes(config.get_timing_cache().serialize())
    return bytes(engine)


def cuda(answer: tuple[Any, ...]) -> Any:
    """What a function of the CUDA runtime returned beside its status. Raises `RuntimeError` naming its error."""
    status, *values = answer
    if status != cudart.cudaError_t.cudaSuccess:
        raise RuntimeError(status.name)
    return values[0] if len(values) == 1 else tuple(values)


class Model:
    """An engine on the GPU, its inputs and outputs in place, captured in a CUDA graph."""

    def __init__(self, engine: bytes, package: str) -> None:
        self.trt, log = tensorrt(package)
        self.runtime = self.trt.Runtime(log)
        self.engine = require_made(self.runtime.deserialize_cuda_engine(engine), package)
        self.context = require_made(self.engine.create_execution_context(), package)
        self.buffers: list[int] = []
        self.graph: Any = None
        self.stream = cuda(cudart.cudaStreamCreate())
        try:
            self.allocate()
            for _ in range(WARM_UP):
                self.enqueue()
            cuda(cudart.cudaStreamSynchronize(self.stream))
            self.capture()
        except BaseException:
            self.close()
            raise

    def allocate(self) -> None:
        """Memory for every input and output, filled with random numbers."""
        rng = np.random.default_rng(0)
        for name in map(self.engine.get_tensor_name, range(self.engine.num_io_tensors)):
            dtype = self.trt.nptype(self.engine.get_tensor_dtype(name))
            array = rng.standard_normal(tuple(self.engine.get_tensor_shape(name))).astype(dtype)
            self.buffers.append(int(cuda(cudart.cudaMalloc(array.nbytes))))
            to_device = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
            cuda(cudart.cudaMemcpy(self.buffers[-1], array.ctypes.data, array.nbytes, to_device))
            self.context.set_tensor_address(name, self.buffers[-1])

    def enqueue(self) -> None:
        """Put one run on the stream."""
        if not self.context.execute_async_v3(int(self.stream)):
            raise RuntimeError("TensorRT did not run the model")

    def capture(self) -> None:
        """Make one run a CUDA graph, to be launched."""
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        cuda(cudart.cudaStreamBeginCapture(self.stream, mode))
        self.enqueue()
        graph = cuda(cudart.cudaStreamEndCapture(self.stream))
        try:
            self.graph = cuda(cudart.cudaGraphInstantiate(graph, 0))
        finally:
            cuda(cudart.cudaGraphDestroy(graph))

    def time(self, repeats: int) -> list[float]:
        """Seconds of each of `repeats` runs, one after another."""
        runs = [(cuda(cudart.cudaEventCreate()), cuda(cudart.cudaEventCreate())) for _ in range(repeats)]
        for start, end in runs:
            cuda(cudart.cudaEventRecord(start, self.stream))
            cuda(cudart.cudaGraphLaunch(self.graph, self.stream))
            cuda(cudart.cudaEventRecord(end, self.stream))
        cuda(cudart.cudaStreamSynchronize(self.stream))
        seconds = [cuda(cudart.cudaEventElapsedTime(start, end)) / 1e3 for start, end in runs]
        for event in itertools.chain(*runs):
            cuda(cudart.cudaEventDestroy(event))
        return seconds

    def layers(self, repeats: int) -> dict[str, float]:
        """Mean seconds of each layer of the engine by its name, in order, one launch each and not in the graph."""
        totals: dict[str, float] = {}
        base = self.trt.IProfiler

        class Profiler(base):  # type: ignore[misc, valid-type]  # the package has no types
            def __init__(self) -> None:
                base.__init__(self)

            def report_layer_time(self, name: str, milliseconds: float) -> None:
                totals[name] = totals.get(name, 0.0) + milliseconds / 1e3

        self.profiler = self.context.profiler = Profiler()  # the context alone does not keep it
        for _ in range(repeats):
            self.context.execute_v2(self.buffers)
        return {name: total / repeats for name, total in totals.items()}

    def close(self) -> None:
        """Give back what is not given back by itself."""
        if self.graph is not None:
            cuda(cudart.cudaGraphExecDestroy(self.graph))
        for buffer in self.buffers:
            cuda(cudart.cudaFree(buffer))
        cuda(cudart.cudaStreamDestroy(self.stream))


class Backend:
    """The GPU, and what it is asked to load."""

    def __init__(self, threads: int, package: str) -> None:
        if cudart is None:
            raise RuntimeError("no cuda.bindings here: pip install cuda-python")
        if cudart.cudaGetDeviceCount()[0] != cudart.cudaError_t.cudaSuccess:
            raise RuntimeError("no CUDA GPU here")
        self.package = package
        rtx = package == "tensorrt_rtx"  # it measures nothing while it builds
        self.building: dict[str, Any] = {"capability": "CURRENT"} if rtx else {"timing_cache": bytearray()}
        self.gpu = cuda(cudart.cudaDeviceGetPCIBusId(16, 0)).decode().strip("\0")
        self.name = cuda(cudart.cudaGetDeviceProperties(0)).name.decode().strip("\0")
        self.runtime, self.version = package.replace("_", "-"), tensorrt(package)[0].__version__

    def load(self, path: str) -> Model:
        """The model of `path`, to be timed."""
        return Model(build(path, self.package, **self.building), self.package)

    def breakdown(self, path: str, repeats: int) -> dict[str, Any]:
        """The layers that TensorRT made of the nodes, and the memory of the GPU that the model takes: weights, inputs,
        outputs, scratch and kernels, to 2 MiB, if nothing else asks for memory there."""
        engine = build(path, self.package, **self.building)
        before, _ = cuda(cudart.cudaMemGetInfo())
        model = Model(engine, self.package)
        after, _ = cuda(cudart.cudaMemGetInfo())
        operators = [{"name": name, "type": "layer", "seconds": s} for name, s in model.layers(repeats).items()]
        model.close()
        return {"operators": operators, "peak_bytes": max(0, before - after)}
