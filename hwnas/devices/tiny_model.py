"""Try a device out with a tiny model: is it there, what is it, and does it run a model as hwnas writes them?"""

import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ..errors import DeviceError, InputError
from ..files import writing
from .base import Device, DeviceInfo
from .opset import IR_VERSION, OLDER, OLDEST_ONNXRUNTIME, OPSET

RUNS = 20


def run_tiny_model(device: Device) -> dict[str, Any]:
    """Bring `device` up and run a tiny model on it.

    Gives `info` and `state` of the device as plain dicts, `seconds`, the median of the model's runs, and `cores`, which
    ones it runs on and why, where the device chose them.

    Raises `InputError` for a device that fails in any of it, "device.runs-no-model" where it is the model.
    """
    with tempfile.TemporaryDirectory() as folder, device:
        path = write_tiny_model(Path(folder) / "tiny.onnx")
        try:
            device.load("tiny", path)
        except InputError as error:
            if error.code != "model.does-not-run":
                raise
            raise _runs_no_model(device.info, str(error).removeprefix(f"{path} does not run on ")) from None
        (seconds,) = device.time([("tiny", RUNS)])
        return {
            "info": asdict(device.info),
            "state": asdict(device.state()),
            "seconds": float(np.median(seconds)),
            "cores": str(getattr(device, "cores_reason", "")),
        }


def write_tiny_model(path: Path) -> Path:
    """Write a model of one convolution, in the version of ONNX that all others are written in, to `path`, and return
    that. Raises `InputError` ("file.not-written")."""
    images, features = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8, 16, 16]) for name in ("images", "features")
    )
    weight = numpy_helper.from_array(np.full((8, 8, 3, 3), 0.01, np.float32), "weight")
    node = helper.make_node("Conv", ["images", "weight"], ["features"], name="conv", pads=[1, 1, 1, 1])
    graph = helper.make_graph([node], "tiny", [images], [features], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    with writing(path):
        path.write_bytes(model.SerializeToString())
    return path


def _runs_no_model(info: DeviceInfo, reason: str) -> DeviceError:
    """The error for a device that does not load the tiny model, for a `reason` that names it."""
    message = f"{reason}: hwnas writes models of ONNX opset {OPSET} and IR version {IR_VERSION}"
    version = re.match(r"(\d+)\.(\d+)", info.version)
    number = (int(version[1]), int(version[2])) if version else OLDEST_ONNXRUNTIME
    if info.runtime.startswith("onnxruntime") and number < OLDEST_ONNXRUNTIME:
        wanted = ".".join(map(str, OLDEST_ONNXRUNTIME))
        message += f", and {info.runtime} {info.version} there is too old: install {wanted} or later on it"
        older = next((opset for first, opset in OLDER.items() if number >= first), None)
        message += f", or set 'opset: {older}' of its runtime in the device file" if older else ""
    else:
        message += f", which {info.runtime} {info.version} there has to run: install a newer one on it"
    return DeviceError(
        message, code="device.runs-no-model", device=info.device, runtime=info.runtime, version=info.version
    )
