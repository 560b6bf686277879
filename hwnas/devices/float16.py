"""Convert an ONNX model to float16, for runtimes that take the types of a network from its file."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ..errors import InputError
from ..files import write_bytes


def to_float16(source: Path, out: Path) -> Path:
    """Write the model of `source`, with float16 in place of float32 everywhere inside, to `out`; returns `out`.

    Inputs and outputs stay float32, so that both models are used alike. Weights beyond the range of float16 become its
    largest number. Raises `InputError`, with the reason alone, for a model with other graphs inside its operators.
    """
    model = onnx.load(source, format="protobuf")
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value.name for value in graph.input if _is_float32(value) and value.name not in weights]
    outputs = [value.name for value in graph.output if _is_float32(value)]
    inside = {name: f"{name}.float16" for name in (*inputs, *outputs)}
    for tensor in graph.initializer:
        _convert(tensor)
    for node in graph.node:
        _convert_attributes(node)
        node.input[:] = [inside.get(name, name) for name in node.input]
        node.output[:] = [inside.get(name, name) for name in node.output]
    before = [_cast(name, inside[name], TensorProto.FLOAT16) for name in inputs]
    after = [_cast(inside[name], name, TensorProto.FLOAT) for name in outputs]
    nodes = [*before, *graph.node, *after]
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    write_bytes(out, model.SerializeToString())
    return out


def _is_float32(value: onnx.ValueInfoProto) -> bool:
    return value.type.tensor_type.elem_type == TensorProto.FLOAT


def _cast(source: str, name: str, to: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [name], name=f"cast.{name}", to=to)


def _convert(tensor: onnx.TensorProto) -> None:
    if tensor.data_type == TensorProto.FLOAT:
        largest = np.finfo(np.float16).max
        values = np.clip(numpy_helper.to_array(tensor), -largest, largest).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def _convert_attributes(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise InputError(
                f"its operator {node.op_type} has a graph inside, which is not converted to float16",
                code="model.no-float16",
                operator=node.op_type,
            )
        if attribute.type == onnx.AttributeProto.TENSOR:
            _convert(attribute.t)
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
