"""A `Block` or `Net` as an ONNX graph with random weights, in milliseconds: what is timed needs no training.

The graph is what exporting the torch module gives once BatchNorm is folded into the convolutions: the same
operators in the same order, and weights of the same names, so a time measured here is a time of the real export.
"""

from collections.abc import Sequence
from functools import lru_cache, reduce
from itertools import count
from math import prod
from pathlib import Path
from typing import Any, assert_never

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..devices.opset import IR_VERSION, OPSET
from ..space.fold import fold
from ..space.net import Act, Block, Layer, Net
from . import onnx_file

DRAWN = 4_194_301
"""Random numbers that the weights of all graphs are made of, again and again: to draw others for each took a third of
the time that building a network did. A prime, so that no two filters of a weight are the same."""


@lru_cache(1)
def _drawn(seed: int) -> np.ndarray:
    """So many numbers between -0.5 and 0.5."""
    return np.random.default_rng(seed).random(DRAWN, np.float32) - np.float32(0.5)


class _Graph:
    """Nodes and weights as they are added, each method returning the name of the value that it makes."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, np.ndarray] = {}
        self._drawn, self._next = _drawn(seed), 0
        self._names = count()

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """One operator with one output; `attributes` are of any type that ONNX has."""
        name = f"{op.lower()}_{next(self._names)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        """A weight with this value, made once however often it is asked for."""
        self.weights.setdefault(name, value)
        return name

    def random(self, name: str, *shape: int) -> str:
        """A weight that keeps the variance of what passes through it, so that no value decays to a slow denormal."""
        fan_in = max(1, int(np.prod(shape[1:])))
        values, done = np.empty(prod(shape), np.float32), 0
        while done < len(values):
            some = self._drawn[self._next : self._next + len(values) - done]
            np.multiply(some, np.float32(np.sqrt(24 / fan_in)), out=values[done : done + len(some)])
            done += len(some)
            self._next = (self._next + len(some)) % DRAWN
        return self.constant(name, values.reshape(shape))

    def conv(self, x: str, name: str, cin: int, cout: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> str:
        """A convolution with bias, padded by kernel // 2."""
        weight = self.random(f"{name}.weight", cout, cin // groups, kernel, kernel)
        bias = self.random(f"{name}.bias", cout)
        padding, twice = [kernel // 2] * 4, [stride] * 2
        return self.node("Conv", x, weight, bias, kernel_shape=[kernel] * 2, strides=twice, pads=padding, group=groups)

    def activation(self, x: str, act: Act) -> str:
        """`act` of `x`, in the operators that torch's exporter uses."""
        match act:
            case "relu":
                return self.node("Relu", x)
            case "relu6":
                low, high = (
                    self.constant("zero", np.array(0, np.float32)),
                    self.constant("six", np.array(6, np.float32)),
                )
                return self.node("Clip", x, low, high)
            case "hswish":
                return self.node("HardSwish", x)
            case "swish":
                return self.node("Mul", x, self.node("Sigmoid", x))
            case "":
                return x
            case _:
                assert_never(act)

    def mean(self, x: str) -> str:
        """The average over height and width, which stay as 1 × 1."""
        return self.node("ReduceMean", x, self.constant("height_width", np.array([2, 3])), keepdims=1)

    def reshape(self, x: str, *shape: int) -> str:
        """`x` with this shape and a free batch before it."""
        return self.node("Reshape", x, self.constant(f"shape_{'_'.join(map(str, shape))}", np.array([-1, *shape])))

    def shuffle(self, x: str, layer: Layer) -> str:
        """The channels of `x`, the first of every group before the second of any."""
        split = self.reshape(x, layer.groups, layer.cin // layer.groups, *layer.out)
        return self.reshape(self.node("Transpose", split, perm=[0, 2, 1, 3, 4]), layer.cin, *layer.out)

    def excited(self, x: str, layer: Layer, name: str) -> str:
        """`x` times the gate that squeeze-and-excite makes of it."""
        squeezed = self.activation(self.conv(self.mean(x), f"{name}.reduce", layer.cin, layer.mid), layer.act)
        y = self.conv(squeezed, f"{name}.expand", layer.mid, layer.cin)
        gate = self.node("HardSigmoid", y, alpha=1 / 6, beta=0.5) if layer.hard else self.node("Sigmoid", y)
        return self.node("Mul", x, gate)

    def pooled(self, x: str, layer: Layer) -> str:
        """The average or the largest of the pixels under a kernel, those outside of the image left out."""
        sizes = {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.kernel // 2] * 4}
        if layer.kind == "avgpool":
            return self.node("AveragePool", x, **sizes, count_include_pad=0)
        return self.node("MaxPool", x, **sizes)

    def zeros(self, x: str, layer: Layer) -> str:
        """Zeros for every image of `x`."""
        features = self.constant(f"shape_{layer.cout}_{layer.out}", np.array([layer.cout, *layer.out]))
        shape = self.node("Concat", self.node("Shape", x, end=1), features, axis=0)
        return self.node("ConstantOfShape", shape, value=numpy_helper.from_array(np.zeros(1, np.float32)))

    def linear(self, x: str, layer: Layer, name: str) -> str:
        """A linear map with bias of features without height and width."""
        weight = self.random(f"{name}.weight", layer.cout, layer.cin)
        return self.node("Gemm", x, weight, self.random(f"{name}.bias", layer.cout), transB=1)

    def every_second(self, x: str, first: int) -> str:
        """Every second channel of `x`, from the `first`."""
        bounds = (("first", first), ("last", np.iinfo(np.int64).max), ("axis", 1), ("step", 2))
        return self.node("Slice", x, *(self.constant(f"{name}_{value}", np.array([value])) for name, value in bounds))

    def layer(self, inputs: Sequence[str], layer: Layer, prefix: str) -> str:
        """One layer of a block's walk, whose weights begin with `prefix`."""
        name, x = f"{prefix}.{layer.name}", inputs[0]
        match layer.kind:
            case "conv":
                y = self.conv(x, name, layer.cin, layer.cout, layer.kernel, layer.stride, layer.groups)
                return self.activation(y, layer.act)
            case "se":
                return self.excited(x, layer, name)
            case "shuffle":
                return self.shuffle(x, layer)
            case "avgpool" | "maxpool":
                return self.pooled(x, layer)
            case "zero":
                return self.zeros(x, layer)
            case "pool":
                return self.reshape(self.mean(x), layer.cout)
            case "linear":
                return self.activation(self.linear(x, layer, name), layer.act)
            case "split":
                return self.every_second(x, layer.offset)
            case "add":
                return reduce(lambda total, other: self.node("Add", total, other), inputs)
            case "concat":
                return self.node("Concat", *inputs, axis=1)
            case _:
                assert_never(layer.kind)

    def block(self, inputs: Sequence[str], block: Block, prefix: str) -> str:
        """Every layer of `block` on what its sources gave."""
        return fold(block.wiring, inputs, lambda index, values: self.layer(values, block.layers[index], prefix))

    def model(self, inputs: Sequence[str], y: str, before: Sequence[int], after: Sequence[int]) -> onnx.ModelProto:
        """The finished model from `inputs` to `y`, of these shapes without the batch, whose size is free; its weights
        are not in it yet."""
        *given, made = (
            helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape])
            for name, shape in (*((x, before) for x in inputs), (y, after))
        )
        graph = helper.make_graph(self.nodes, "hwnas", given, [made])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


Parts = tuple[onnx.ModelProto, dict[str, np.ndarray]]
"""A model without its weights, and those by name."""


def graph(part: Block | Net, seed: int = 0) -> onnx.ModelProto:
    """The inference graph of `part`, with weights drawn from `seed`. The input is `images` (batch, cin, H, W), float32;
    those of a block that joins several are `images`, `images_2`, `images_3` and so on."""
    return onnx_file.add_weights(*_parts(part, seed))


def empty() -> onnx.ModelProto:
    """The smallest graph, one number to its positive part: its time is what starting any run costs."""
    return onnx_file.add_weights(*_parts(None, 0))


def save(part: Block | Net | None, path: Path, seed: int = 0) -> Path:
    """Write `graph(part, seed)`, or `empty()` for None, to `path`, a file that is removed again; returns `path`."""
    return onnx_file.write(*_parts(part, seed), path)


def _parts(part: Block | Net | None, seed: int) -> Parts:
    """What `graph` puts together, or `empty` where there is no `part`."""
    made = _Graph(seed)
    if part is None:
        return made.model(["images"], made.activation("images", "relu"), (1,), (1,)), made.weights
    blocks = part.blocks if isinstance(part, Net) else (part,)
    first, last = blocks[0], blocks[-1]
    if isinstance(part, Net):
        inputs = ["images"]
        y = fold(part.wiring, inputs, lambda index, values: made.block(values, blocks[index], str(index)))
    else:
        inputs = ["images", *(f"images_{index}" for index in range(2, part.fan_in + 1))]
        y = made.block(inputs, part, "0")
    after = (last.cout,) if last.op == "classifier" else (last.cout, *last.out)
    return made.model(inputs, y, (first.cin, first.height, first.width), after), made.weights
