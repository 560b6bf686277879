"""An ONNX file as it is sent to a device: one file that holds everything, checked before anything is sent."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

from ..errors import InputError

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit into one ONNX file, as protobuf can hold 2 GiB at most."""


def whole(path: Path, folder: Path) -> Path:
    """The model of `path` as one file: itself, or where it has data in other files, a copy in `folder` that holds them.

    Raises `InputError`, with the reason alone: for a file that is no ONNX model, for data outside the folder of `path`
    (another's file, that a model must not make a device read), and for data that is absent or too large.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror or error}") from None
    except DecodeError:
        raise InputError("it is not an ONNX model") from None
    places = {ExternalDataInfo(tensor).location for tensor in _tensors(model.graph) if uses_external_data(tensor)}
    if not places:
        return path
    if sum(_size(path, place) for place in places) > LARGEST:
        raise InputError("its weights are over 2 GB, more than one file can hold")
    try:
        load_external_data_for_model(model, str(path.parent))
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise InputError(f"its external data cannot be read: {' '.join(str(error).split())}") from None
    copy = folder / path.name
    onnx.save(model, copy)
    return copy


def _size(model: Path, place: str) -> int:
    """Bytes of the data file `place` of `model`. Raises `InputError` where it is outside its folder or absent."""
    folder = model.parent.resolve()
    data = (folder / place).resolve()
    if not data.is_relative_to(folder):
        raise InputError(f"its external data {place} lies outside its folder")
    if not data.is_file():
        raise InputError(f"its external data {place} is absent")
    return data.stat().st_size


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor that is stored in a graph or in the graphs inside it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)
