"""Quantise an ONNX model to int8 for its latency only: the ranges of its values are those that random inputs give."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from ..errors import InputError
from ..files import writing

BATCHES = 4
"""Random inputs that the ranges are taken from. More change no operator, and so no time."""


class _RandomInputs(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    """The same random inputs every time, at batch 1."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._inputs = self._draw(model)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next inputs by name, or None."""
        return next(self._inputs, None)

    @staticmethod
    def _draw(model: onnx.ModelProto) -> Iterator[dict[str, np.ndarray]]:
        rng = np.random.default_rng(0)
        stored = {tensor.name for tensor in model.graph.initializer}
        inputs = {
            value.name: ([max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim], _dtype(value))
            for value in model.graph.input
            if value.name not in stored
        }
        for _ in range(BATCHES):
            yield {name: _random(rng, shape, dtype) for name, (shape, dtype) in inputs.items()}


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    return onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)


def _random(rng: np.random.Generator, shape: list[int], dtype: np.dtype[Any]) -> np.ndarray:
    """An array of normal numbers, or of 0 and 1 where they are whole or logical."""
    if dtype.kind in "biu":
        return np.asarray(rng.integers(0, 2, shape)).astype(dtype)
    return np.asarray(rng.standard_normal(shape, np.float32)).astype(dtype)


def quantize(path: Path, out: Path) -> Path:
    """Write the model of `path` in int8 to `out`; returns `out`.

    Static, with quantise and dequantise nodes (QDQ) around the operators, which onnxruntime fuses into int8 kernels;
    weights by channel. Raises `InputError`, with the reason alone, for a model that onnxruntime cannot quantise, and
    "file.not-written" where there is no space for it.
    """
    log = logging.getLogger()
    level = log.level
    log.setLevel(logging.ERROR)  # its hints are for those who write quantisers
    try:
        with writing(out), tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.onnx"
            quant_pre_process(path, ready, skip_symbolic_shape=True)
            quantize_static(
                ready,
                out,
                _RandomInputs(onnx.load(ready)),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                activation_type=QuantType.QUInt8,  # with signed ones, onnxruntime leaves some convolutions in float32
                weight_type=QuantType.QInt8,
            )
    except InputError:
        raise
    except Exception as error:  # onnxruntime raises nearly anything here, and all of it is about the model
        reason = " ".join(str(error).split())
        raise InputError(f"onnxruntime cannot quantise it: {reason}", code="model.no-int8", path=str(path)) from None
    finally:
        log.setLevel(level)
    return out
