"""Bring an ONNX model into one file that holds everything, checked before anything is sent to a device."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError, Message  # type: ignore[import-untyped]  # it has no types
from onnx.external_data_helper import ExternalDataInfo, load_external_data_for_model, uses_external_data

from ..errors import InputError
from ..files import write_bytes
from .answers import printable
from .onnx_bytes import read_without_weights

LARGEST = 2**31 - 2**20
"""Bytes of weights that fit into one ONNX file, as protobuf can hold 2 GiB at most."""


def read_graph(path: Path) -> onnx.ModelProto:
    """The model of `path` without the values of its weights. Raises `InputError`, with the reason alone."""
    try:
        return read_without_weights(path) or _read(path)
    except OSError as error:
        raise InputError(
            f"it cannot be read: {error.strerror or error}", code="model.unreadable", path=str(path)
        ) from None
    except DecodeError:
        raise InputError("it is not an ONNX model", code="model.not-onnx", path=str(path)) from None


def _read(path: Path) -> onnx.ModelProto:
    """The model of `path` without the data that it has in other files."""
    return onnx.load(path, format="protobuf", load_external_data=False)


def single_file(path: Path, folder: Path, model: onnx.ModelProto | None = None) -> Path:
    """The model of `path` as one file: itself, or where it has data in other files, a copy in `folder` that holds them.

    `model` is what `read_graph` gives, if it was read already. Raises `InputError`, with the reason alone: for a file
    that is no ONNX model, for data outside the folder of `path` (another's file, that a model must not make a device
    read), and for data that is absent or too large.
    """
    places = _places(model or read_graph(path))
    if not places:
        return path
    if sum(_size(path, place) for place in places) > LARGEST:
        raise InputError(
            "its weights are over 2 GB, more than one file can hold", code="model.too-large", path=str(path)
        )
    try:
        model = _read(path)
        load_external_data_for_model(model, str(path.parent))
    except (ValueError, OSError, onnx.checker.ValidationError) as error:
        raise _external(f"its external data cannot be read: {printable(error)}", "unreadable") from None
    if _places(model):
        raise _external("it has external data in a place where onnx reads none", "misplaced")
    copy = folder / path.name
    write_bytes(copy, model.SerializeToString())
    return copy


def _places(model: onnx.ModelProto) -> set[str]:
    """The files that a model says its external data is in."""
    try:
        return {ExternalDataInfo(tensor).location for tensor in _tensors(model) if uses_external_data(tensor)}
    except ValueError as error:
        raise _external(f"its external data cannot be read: {printable(error)}", "unreadable") from None


def _external(message: str, what: str) -> InputError:
    return InputError(message, code="model.external-data", what=what)


def _size(model: Path, place: str) -> int:
    """Bytes of the data file `place` of `model`. Raises `InputError` where it is outside its folder or absent."""
    folder = model.parent.resolve()
    try:
        data = (folder / place).resolve()
        inside, size = data.is_relative_to(folder), data.stat().st_size if data.is_file() else None
    except (ValueError, OSError):
        raise _external(f"its external data {printable(place)} cannot be the name of a file", "no-name") from None
    if not inside:
        raise _external(f"its external data {printable(place)} lies outside its folder", "outside")
    if size is None:
        raise _external(f"its external data {printable(place)} is absent", "absent")
    return size


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    """Every tensor that is stored anywhere in a model: in its graph, in graphs inside it, in its functions."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if isinstance(value, Message) else value:
                yield from _tensors(part)
