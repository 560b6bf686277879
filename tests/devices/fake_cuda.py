"""A GPU that is not there: as much of the CUDA runtime and of TensorRT as timing uses, with a clock that ticks 1 ms for
each launch. It tells what was done on it, in order."""

from types import SimpleNamespace

import numpy as np

MAKING = {"cudaMalloc", "cudaStreamCreate", "cudaEventCreate", "cudaStreamEndCapture", "cudaGraphInstantiate"}


class FakeCuda:
    """Stands for `cuda.bindings.runtime`: every function gives its status and what it returns."""

    def __init__(self):
        self.done, self.held, self.times, self.clock, self.fails = [], set(), {}, 0.0, None
        self.cudaError_t = SimpleNamespace(cudaSuccess="success")
        self.cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1)
        self.cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __getattr__(self, name):
        if not name.startswith("cuda"):
            raise AttributeError(name)

        def function(*arguments):
            self.done.append(name.removeprefix("cuda"))
            if name == self.fails:
                return (SimpleNamespace(name="cudaErrorUnknown"),)
            return ("success", *self.result(name, arguments))

        return function

    def result(self, name, arguments):
        """What a function returns beside its status. Everything made is a number, held until it is given back."""
        if name in MAKING:
            self.held.add(len(self.done))
            return (len(self.done),)
        if name == "cudaFree" or name.endswith("Destroy"):
            self.held.remove(arguments[0])
        if name == "cudaGraphLaunch":
            self.clock += 1.0
        if name == "cudaEventRecord":
            self.times[arguments[0]] = self.clock
        if name == "cudaEventElapsedTime":
            return (self.times[arguments[1]] - self.times[arguments[0]],)
        return ()


class FakeTensorRT:
    """Stands for the package, an engine of it and a context of that: one float32 input and one output."""

    float32 = float16 = np.float32
    IProfiler = object
    TensorIOMode = SimpleNamespace(INPUT=0)
    num_io_tensors = 2
    profiler = None

    def __init__(self, cuda):
        self.cuda, self.addresses = cuda, {}

    def __call__(self, *_):
        return self

    Runtime = deserialize_cuda_engine = create_execution_context = __call__

    def nptype(self, dtype):
        return dtype

    def get_tensor_name(self, index):
        return ("images", "logits")[index]

    def get_tensor_dtype(self, name):
        return np.float32

    def get_tensor_shape(self, name):
        return (1, 3, 4, 4)

    def set_tensor_address(self, name, address):
        self.addresses[name] = address

    def execute_async_v3(self, stream):
        self.cuda.done.append("run")
        return True

    def execute_v2(self, bindings):
        assert bindings == list(self.addresses.values())
        self.profiler.report_layer_time("conv + relu", 2.0)
        self.profiler.report_layer_time("gemm", 1.0)
        return True
