"""Where a model runs: an artifact in, raw seconds out. One file per runtime or transport; no torch."""

import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..errors import InputError
from ..files import parse
from .base import Device
from .spec import DeviceFile, read

BUILT_IN = {"cpu": {"schema": 1, "name": "cpu", "transport": {"kind": "local"}, "runtime": {"kind": "onnxruntime"}}}
"""Devices that need no file, as their files would be."""

FOLDER = "HWNAS_DEVICES"
"""Environment variable with the folder of device files, which is `devices` in the current folder unless it is set."""


def known() -> dict[str, DeviceFile | InputError]:
    """Every device by name: the built-in ones, then those of the folder's YAML files.

    A file that is wrong comes under its own path, with what is wrong with it.
    """
    found: dict[str, DeviceFile | InputError] = {
        name: DeviceFile.parse(value, name) for name, value in BUILT_IN.items()
    }
    folder = Path(os.environ.get(FOLDER, "devices"))
    for path in sorted(path for path in folder.glob("*") if path.suffix in (".yaml", ".yml")):
        try:
            device = read(path)
            if device.name in found:
                raise InputError(f"{path}: name: there is another device {device.name!r}")
            found[device.name] = device
        except InputError as error:
            found[str(path)] = error
    return found


def names() -> tuple[str, ...]:
    """The names that `get` knows."""
    return tuple(name for name, device in known().items() if isinstance(device, DeviceFile))


def describe(name: str) -> DeviceFile:
    """What the device `name`, or the device file of that path, is. Raises `InputError` for none, or a wrong file."""
    if Path(name).suffix in (".yaml", ".yml"):
        return read(Path(name))
    devices = known()
    if isinstance(devices.get(name), DeviceFile):
        return devices[name]
    wrong = "".join(f"; {error}" for error in devices.values() if isinstance(error, InputError))
    raise InputError(f"no device {name!r}: there are {', '.join(names())}{wrong}")


def get(name: str, threads: int | None = None) -> Device:
    """The device `name`, or of the device file of that path, not yet started.

    `threads` instead of what its file says, where its runtime has threads. Raises `InputError`.
    """
    device = describe(name)
    return of(device if threads is None else _with_threads(device, threads))


def of(device: DeviceFile) -> Device:
    """The device that a file describes, not yet started. Raises `InputError` where its transport cannot be used."""
    from .process import RunnerDevice  # here, as it loads onnx, which naming devices does not need

    return RunnerDevice(device.name, device.transport.channel(device.runtime), device.runtime)


def check(name: str) -> dict[str, Any]:
    """Try out the device `name`, or of the device file of that path: bring it up and run a tiny model on it.

    Gives `info` and `state` as plain dicts, and `seconds`, the median of the tiny model's runs. Raises `InputError`.
    """
    from .trial import trial

    return trial(get(name))


def _with_threads(device: DeviceFile, threads: int) -> DeviceFile:
    if threads < 1:
        raise InputError(f"a device needs at least 1 thread, not {threads}")
    if "threads" not in type(device.runtime).model_fields:
        if threads == 1:
            return device
        raise InputError(f"device {device.name} has no threads to set")
    asked = {**device.runtime.model_dump(), "threads": threads}
    runtime = parse(TypeAdapter(type(device.runtime)), asked, f"device {device.name} with {threads} threads")
    return device.model_copy(update={"runtime": runtime})
