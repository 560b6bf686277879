"""The bytes of an ONNX file, so that it is read or written without the values of its weights, nearly all of it."""

from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has no types

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
"""Numbers of fields in onnx.proto3: of a model, a graph and a tensor."""

VARINT, FIXED_64, MESSAGE, FIXED_32 = 0, 1, 2, 5
"""How protobuf stores a field, in the lowest bits of its tag; the others are of no ONNX file."""

SIZES = {FIXED_64: 8, FIXED_32: 4}


def read_without_weights(path: Path) -> onnx.ModelProto | None:
    """The model of `path` without the raw values of its initializers, which are not read from the disk either.

    None where it takes more than this knows to tell what the file is; raises `OSError`.
    """
    with path.open("rb") as file:
        try:
            found = _without(file, path.stat().st_size, GRAPH, INITIALIZER, RAW_DATA)
            model: onnx.ModelProto = onnx.ModelProto.FromString(found)
        except (ValueError, DecodeError):
            return None
    return model


def _without(file: BinaryIO, end: int, number: int, *inside: int) -> bytes:
    """The message from here to `end`, less its fields of a `number`, or less what is so deep `inside` of them."""
    kept = bytearray()
    while (start := file.tell()) < end:
        tag = _read_varint(file)
        kind = tag & 7
        size = _read_varint(file) if kind in (VARINT, MESSAGE) else SIZES.get(kind, -1)
        value = file.tell()
        after = value if kind == VARINT else value + size
        if size < 0 or after > end:
            raise ValueError
        if tag != number << 3 | MESSAGE:
            file.seek(start)
            kept += file.read(after - start)
        elif inside:
            part = _without(file, after, *inside)
            kept += field_head(number, len(part)) + part
        file.seek(after)
    return bytes(kept)


def _read_varint(file: BinaryIO) -> int:
    """A number as `_varint` writes it, of at most ten bytes. Raises `ValueError`."""
    value = 0
    for place in range(10):
        (byte,) = file.read(1)
        value |= (byte & 127) << 7 * place
        if byte < 128:
            return value
    raise ValueError


def field_head(number: int, size: int) -> bytes:
    """What comes before a field that is a message, or bytes, of this size."""
    return _varint(number << 3 | MESSAGE) + _varint(size)


def _varint(value: int) -> bytes:
    """A number in protobuf's form: seven bits in each byte, the lowest first, and a bit for whether more follow."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])
