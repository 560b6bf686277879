"""Where a model runs: an artifact in, raw seconds out. One file per runtime or transport; no torch."""

import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..errors import InputError
from ..files import parse
from ..references import nearest_text
from .base import Device
from .runtime import CpuRuntime, Runtime
from .spec import DeviceFile, read

__all__ = [
    "CpuRuntime",
    "Device",
    "DeviceFile",
    "Runtime",
    "build",
    "check",
    "describe",
    "get",
    "list_devices",
    "names",
]

BUILT_IN = {"cpu": {"schema": 1, "name": "cpu", "transport": {"kind": "local"}, "runtime": {"kind": "onnxruntime"}}}
"""Devices that need no file, as their files would be."""

FOLDER = "HWNAS_DEVICES"
"""Environment variable with the folder of device files, which is `devices` in the current folder unless it is set."""


def list_devices() -> dict[str, DeviceFile | InputError]:
    """Every device by name: the built-in ones, then those of the folder's YAML files.

    A file that is wrong comes under its own path, with what is wrong with it.
    """
    found: dict[str, DeviceFile | InputError] = {
        name: DeviceFile.parse(value, name) for name, value in BUILT_IN.items()
    }
    folder = Path(os.environ.get(FOLDER, "devices"))
    for path in sorted(path for path in folder.glob("*") if path.suffix.lower() in (".yaml", ".yml")):
        try:
            device = read(path)
            if device.name in found:
                message = f"{path}: name: there is another device {device.name!r}"
                raise InputError(message, code="device.file-duplicate", where=str(path), name=device.name)
            found[device.name] = device
        except InputError as error:
            found[str(path)] = error
    return found


def names() -> tuple[str, ...]:
    """The names that `get` accepts."""
    return tuple(name for name, device in list_devices().items() if isinstance(device, DeviceFile))


def describe(name: str) -> DeviceFile:
    """The description of the device `name`, or of the device file of that path. Raises `InputError` for no such device
    and for a wrong file."""
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return read(Path(name))
    devices = list_devices()
    device = devices.get(name)
    if isinstance(device, DeviceFile):
        return device
    known = names()
    wrong = "".join(f"; {error}" for error in devices.values() if isinstance(error, InputError))
    there = f"there are {', '.join(known)}, or give a device's YAML file"
    message = f"no device {name!r}{nearest_text(name, known)}: {there}{wrong}"
    raise InputError(message, code="device.unknown", name=name, known=known)


def get(name: str, threads: int | None = None) -> Device:
    """The device `name`, or of the device file of that path, not yet started.

    `threads` instead of what its file says, where its runtime has threads. Raises `InputError`.
    """
    device = describe(name)
    return build(device if threads is None else _with_threads(device, threads))


def build(device: DeviceFile) -> Device:
    """The device that a file describes, not yet started. Raises `InputError` where its transport cannot be used."""
    from .process import RunnerDevice  # here, as it loads onnx, which naming devices does not need

    return RunnerDevice(device.name, device.transport.channel(device.runtime), device.runtime)


def check(name: str) -> dict[str, Any]:
    """Try out the device `name`, or of the device file of that path: bring it up and run a tiny model on it.

    Gives `info` and `state` as plain dicts, `seconds`, the median of the tiny model's runs, and `cores`, which ones and
    why. Raises `InputError`.
    """
    from .tiny_model import run_tiny_model

    return run_tiny_model(get(name))


def _with_threads(device: DeviceFile, threads: int) -> DeviceFile:
    if threads < 1:
        message = f"a device needs at least 1 thread, not {threads}"
        raise InputError(message, code="device.threads", threads=threads)
    if "threads" not in type(device.runtime).model_fields:
        if threads == 1:
            return device
        message = f"device {device.name} has no threads to set"
        raise InputError(message, code="device.threads", device=device.name, threads=threads)
    fields = {**device.runtime.model_dump(), "threads": threads}
    adapter: TypeAdapter[Runtime] = TypeAdapter(type(device.runtime))
    try:
        runtime = parse(adapter, fields, f"device {device.name} with {threads} threads")
    except InputError as error:
        raise InputError(str(error), code="device.threads", device=device.name, threads=threads) from None
    return device.model_copy(update={"runtime": runtime})
