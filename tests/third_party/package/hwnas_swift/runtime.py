"""A runtime: what a device file says of it. What is timed is timed by `backend.py`, which is copied to the device."""

from pathlib import Path

from hwnas.devices.runtime import CpuRuntime


class Sequential(CpuRuntime):
    """onnxruntime without fused operators, on one thread or several."""

    backend = Path(__file__).with_name("backend.py")
