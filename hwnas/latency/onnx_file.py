"""Write an ONNX model whose weights are arrays: the bytes that onnx itself would write, without copying the weights.

onnx copies weights five times on their way into a file. Of the 100 ms that a network of 26 MB took here 70 went there,
and the profile of a space builds hundreds.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from .. import files
from ..devices.onnx_bytes import GRAPH, INITIALIZER, RAW_DATA, field_head

Chunk = bytes | memoryview


def add_weights(model: ModelProto, weights: Mapping[str, np.ndarray]) -> ModelProto:
    """`model` itself, with `weights` as its initializers."""
    for name, value in weights.items():
        model.graph.initializer.append(_head(name, value))
        model.graph.initializer[-1].raw_data = value.tobytes()
    return model


def write(model: ModelProto, weights: Mapping[str, np.ndarray], path: Path) -> Path:
    """Write `model`, which has no initializers, with `weights` to `path`, and return `path`.

    For a file that is removed again: not atomically, as waiting for the disk takes ten times as long as all else.
    Raises `InputError` ("file.not-written").
    """
    with files.writing(path), path.open("wb") as file:
        file.writelines(_model(model, weights))
    return path


def _model(model: ModelProto, weights: Mapping[str, np.ndarray]) -> Iterator[Chunk]:
    """The bytes of a model: its fields in the order of their numbers, as every writer of protobuf puts them."""
    graph = model.graph
    tensors = [chunk for name, value in weights.items() for chunk in _field(INITIALIZER, _tensor(name, value))]
    ends = GraphProto(input=graph.input, output=graph.output)
    inside = [GraphProto(node=graph.node, name=graph.name).SerializeToString(), *tensors, ends.SerializeToString()]
    yield ModelProto(ir_version=model.ir_version).SerializeToString()
    yield from _field(GRAPH, inside)
    yield ModelProto(opset_import=model.opset_import).SerializeToString()


def _tensor(name: str, value: np.ndarray) -> list[Chunk]:
    raw = np.ascontiguousarray(value).reshape(-1).view(np.uint8).data
    return [_head(name, value).SerializeToString(), *_field(RAW_DATA, [raw])]


def _head(name: str, value: np.ndarray) -> TensorProto:
    """A tensor without its values."""
    return TensorProto(name=name, dims=value.shape, data_type=helper.np_dtype_to_tensor_dtype(value.dtype))


def _field(number: int, value: Sequence[Chunk]) -> list[Chunk]:
    """A field that is a message or bytes: its tag, its length, and itself."""
    return [field_head(number, sum(len(chunk) for chunk in value)), *value]
