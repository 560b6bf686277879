"""Try a device out with a tiny model: is it there, what is it, and does it run a model?"""

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .base import Device

RUNS = 20


def run_tiny_model(device: Device) -> dict[str, Any]:
    """Bring `device` up and run a tiny model on it.

    Gives `info` and `state` of the device as plain dicts, and `seconds`, the median of the model's runs.

    Raises `InputError` for a device that fails in any of it.
    """
    with tempfile.TemporaryDirectory() as folder, device:
        device.load("tiny", write_tiny_model(Path(folder) / "tiny.onnx"))
        (seconds,) = device.time([("tiny", RUNS)])
        return {"info": asdict(device.info), "state": asdict(device.state()), "seconds": float(np.median(seconds))}


def write_tiny_model(path: Path) -> Path:
    """Write a model of one convolution to `path`; returns `path`."""
    images, features = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 16, 16]) for name in ("images", "features")
    )
    weight = numpy_helper.from_array(np.full((8, 8, 3, 3), 0.01, np.float32), "weight")
    node = helper.make_node("Conv", ["images", "weight"], ["features"], name="conv", pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "tiny", [images], [features], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path
