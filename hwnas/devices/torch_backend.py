"""Runs ONNX graphs as torch functions, and times them on an NVIDIA GPU: for a machine that has no TensorRT.

The backend of `runner.py` for torch. It needs Python (3.8 or later), numpy, onnx and torch. A graph runs node by node,
as torch's own module would, in channels-last order; float32 convolutions round to TF32 where the GPU can, as is torch's
default. What is timed is one launch of a CUDA graph of the whole model, between two CUDA events.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import helper, numpy_helper
from torch import Tensor

WARM_UP = 5
"""Runs before a model is captured, in which cuDNN tries out its kernels."""


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    dilations: Sequence[int] = (1, 1),
    group: int = 1,
    **other: Any,
) -> Tensor:
    """Conv, two-dimensional. `other` may be the kernel's shape, which the weight has too."""
    if other.get("auto_pad", b"NOTSET") != b"NOTSET" or len(strides) != 2:
        raise ValueError("operator Conv is read only with pads written out, in two dimensions")
    top, left, bottom, right = pads
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    return F.conv2d(x, weight, bias, strides, (top, left), dilations, group)


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    """Gemm."""
    a, b = (a.T if transA else a), (b.T if transB else b)
    if (alpha, beta) != (1.0, 1.0) or c is None:
        return alpha * (a @ b) + (0 if c is None else beta * c)
    return torch.addmm(c, a, b)


def reduce_mean(
    x: Tensor, axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0
) -> Tensor:
    """ReduceMean, whose axes are an input since opset 18 and were an attribute before."""
    if not axes and noop_with_empty_axes:
        return x
    return x.mean(dim=list(axes or range(x.dim())), keepdim=bool(keepdims))


def reshape(x: Tensor, shape: Sequence[int], allowzero: int = 0) -> Tensor:
    """Reshape, where a 0 is the size that is there."""
    return x.reshape([x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(shape)])


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": torch.add,
    "Clip": lambda x, min=None, max=None: torch.clamp(x, min, max),
    "Conv": conv,
    "Gemm": gemm,
    "HardSwish": F.hardswish,
    "Mul": torch.mul,
    "ReduceMean": reduce_mean,
    "Relu": torch.relu,
    "Reshape": reshape,
    "Sigmoid": torch.sigmoid,
    "Transpose": lambda x, perm: x.permute(perm),
}


class Network:
    """The graph of an ONNX file on a torch device, called with its input. `ValueError` for what it cannot run."""

    def __init__(self, path: str, device: str, dtype: torch.dtype) -> None:
        graph = onnx.load(path).graph
        self.device, self.dtype = device, dtype
        self.values = {tensor.name: self.constant(numpy_helper.to_array(tensor)) for tensor in graph.initializer}
        inputs = [value for value in graph.input if value.name not in self.values]
        if len(inputs) != 1 or len(graph.output) != 1:
            raise ValueError("only a model of one input and one output can be run")
        self.input, self.output = inputs[0].name, graph.output[0].name
        sizes = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim]
        self.shape = (sizes[0] or 1, *sizes[1:])
        if 0 in self.shape:
            raise ValueError(f"input {self.input} of shape {self.shape} has no fixed size to time")
        self.nodes = list(graph.node)
        self.last_use = {name: index for index, node in enumerate(self.nodes) for name in node.input}
        for node in self.nodes:
            if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
                raise ValueError(f"operator {node.op_type} ({node.name}) is not one of {', '.join(OPERATORS)}")

    def constant(self, array: np.ndarray) -> Any:
        """A weight as a tensor; a number or sizes as such, so that no operator has to ask the GPU for them."""
        if array.ndim == 0 or array.dtype.kind in "iu":
            return array.tolist()
        return self.placed(torch.from_numpy(array.copy()))

    def placed(self, tensor: Tensor) -> Tensor:
        """A tensor where and in the type that the network computes, channels last if it has four dimensions."""
        order = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
        return tensor.to(self.device, self.dtype, memory_format=order)

    def random_input(self) -> Tensor:
        """An input of random numbers, the same each time."""
        return self.placed(torch.randn(self.shape, generator=torch.Generator().manual_seed(0)))

    def steps(self, x: Tensor) -> Iterator[tuple[onnx.NodeProto, Callable[[], Tensor], Tensor]]:
        """Every node in order, with a function that runs it again, and what it gave."""
        values = {**self.values, self.input: x}
        for index, node in enumerate(self.nodes):
            attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            run = functools.partial(OPERATORS[node.op_type], *map(values.get, node.input), **attributes)
            values[node.output[0]] = run()
            yield node, run, values[node.output[0]]
            for name in node.input:
                if self.last_use[name] == index:
                    values.pop(name, None)  # so that its memory serves again, as in a module

    def __call__(self, x: Tensor) -> Tensor:
        """The output for the input `x`."""
        return next(y for node, _, y in self.steps(x) if self.output in node.output)


class Model:
    """A function on the GPU, captured in a CUDA graph."""

    def __init__(self, run: Callable[[], Tensor]) -> None:
        # It holds the weights and the input, which the graph knows by address alone.
        self.run: Callable[[], Tensor] | None = run
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                run()
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            run()

    def time(self, repeats: int) -> list[float]:
        """Seconds of each of `repeats` runs, one after another."""
        event: Any = torch.cuda.Event  # which has no types
        runs = [[event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]
        for start, end in runs:
            start.record()
            self.graph.replay()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) / 1e3 for start, end in runs]

    def close(self) -> None:
        """Give the memory back."""
        self.graph.reset()
        self.run = None


class Backend:
    """The GPU, and what it is asked to load."""

    def __init__(self, threads: int, precision: str) -> None:
        if not torch.cuda.is_available():
            raise RuntimeError("no CUDA GPU here")
        torch.backends.cudnn.benchmark = True
        self.dtype = getattr(torch, precision)
        self.name = torch.cuda.get_device_name(0)
        self.gpu = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        self.runtime, self.version = "torch-cuda", torch.__version__

    def load(self, path: str) -> Model:
        """The model of `path`, to be timed."""
        network = Network(path, "cuda", self.dtype)
        return Model(functools.partial(network, network.random_input()))

    def breakdown(self, path: str, repeats: int) -> dict[str, Any]:
        """The nodes, each captured in a graph of its own, and the memory of weights, input and what a run adds."""
        before = torch.cuda.memory_allocated()
        network = Network(path, "cuda", self.dtype)
        x = network.random_input()
        network(x)  # cuDNN tries out its kernels, and takes more memory for that than it will need
        torch.cuda.reset_peak_memory_stats()
        network(x)
        peak, operators = torch.cuda.max_memory_allocated() - before, []
        for node, run, _ in network.steps(x):
            model = Model(run)
            seconds = sum(model.time(repeats)) / repeats
            operators.append({"name": node.name, "type": node.op_type, "seconds": seconds})
            model.close()
        return {"operators": operators, "peak_bytes": peak}
