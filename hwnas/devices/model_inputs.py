"""What an ONNX model takes: whether it can be timed, at which batch, and a copy whose free sizes are fixed.

Read here, as a runtime tells a tensor without a shape as a single number.
"""

from collections.abc import Iterator
from pathlib import Path

import onnx

from ..errors import InputError
from .single_file import single_file

IMAGES = 4
"""Dimensions of a batch of images, whose first one is the batch whatever comes out of the model."""

Shape = tuple[int | str, ...]
"""Sizes; a free one is its name, which may be empty."""


def require_timeable(model: onnx.ModelProto) -> None:
    """Raise `InputError`, with the reason alone, for an input of no fixed size to make an array of.

    A free first dimension is a batch of 1, and a free one of the same name is 1 too.
    """
    batches = {shape[0] for _, shape in _shapes(model) if shape}
    for name, shape in _shapes(model):
        if 0 in shape:
            message = f"input {name} of shape {_written(shape)} holds nothing: it has a dimension of 0"
            raise InputError(message, code="model.empty-input", input=name, shape=shape)
        if _free(shape, batches):
            message = f"input {name} of shape {_written(shape)} has a free size: say which to time by --size"
            raise InputError(message, code="model.free-size", input=name, shape=shape)


def fix_sizes(path: Path, size: int, folder: Path) -> Path:
    """A copy in `folder` of the model of `path`, whose free sizes, but for the batch, are `size`.

    Raises `InputError` for a model that has none, and as `single_file` does.
    """
    if size < 1:
        raise InputError(f"a size is 1 or more, not {size}", code="model.size", size=size)
    whole = single_file(path, folder)
    model = onnx.load(whole)
    batches = {shape[0] for _, shape in _shapes(model) if shape}
    fixed = 0
    for value in _inputs(model):
        dims = value.type.tensor_type.shape.dim
        for place in _free(_shape(value), batches):
            dims[place].dim_value = size
            fixed += 1
    if not fixed:
        shapes = ", ".join(f"{name} {_written(shape)}" for name, shape in _shapes(model))
        message = f"{path} has no free size to set to {size}: its inputs are {shapes or 'none'}"
        raise InputError(message, code="model.no-free-size", path=str(path), size=size)
    copy = folder / f"{size}.{path.name}"
    onnx.save(model, copy, format="protobuf")
    return copy


def batch_of(path: Path) -> int:
    """Images (or whatever a model takes) in one run: the first dimension that all inputs share, and outputs too where
    the model does not take images; 1 where it is free or there is none."""
    model = onnx.load(path, format="protobuf", load_external_data=False)
    shapes = [shape for _, shape in _shapes(model) if len(shape) > 1]
    first = {shape[0] for shape in shapes}
    if not all(len(shape) == IMAGES for shape in shapes):
        outputs = [_shape(value) for value in model.graph.output if value.type.tensor_type.HasField("shape")]
        first |= {shape[0] for shape in outputs if shape} if outputs else {""}
    size = next(iter(first)) if len(first) == 1 else 1
    return size if isinstance(size, int) and size > 1 else 1


def _inputs(model: onnx.ModelProto) -> Iterator[onnx.ValueInfoProto]:
    """Every input that is not a weight. Raises `InputError` for one that is no tensor, or of no shape at all."""
    stored = {tensor.name for tensor in model.graph.initializer}
    for value in model.graph.input:
        if value.name in stored:
            continue
        kind = value.type.WhichOneof("value")
        if kind != "tensor_type":
            message = f"input {value.name} is no tensor but a {str(kind).removesuffix('_type').replace('_', ' ')}"
            raise InputError(message, code="model.no-tensor", input=value.name)
        if not value.type.tensor_type.HasField("shape"):
            message = f"input {value.name} has no shape: export the model with one, so that an input can be made"
            raise InputError(message, code="model.no-shape", input=value.name)
        yield value


def _shapes(model: onnx.ModelProto) -> list[tuple[str, Shape]]:
    return [(value.name, _shape(value)) for value in _inputs(model)]


def _shape(value: onnx.ValueInfoProto) -> Shape:
    """The sizes of a value. Some exporters write a free one as -1."""
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else dim.dim_param for dim in dims)


def _free(shape: Shape, batches: set[int | str]) -> list[int]:
    """The places of the free sizes that are no batch: that is the first, and any of the same name."""
    return [
        place
        for place, size in enumerate(shape)
        if place > 0 and isinstance(size, str) and not (size and size in batches)
    ]


def _written(shape: Shape) -> str:
    return "x".join("?" if size == "" else str(size) for size in shape) or "()"
