"""A device as a YAML file describes it: a runtime that runs models, and a transport to where it runs.

    schema: 1
    name: kitchen-pi
    transport: {kind: ssh, host: pi.local, user: pi, known_hosts: pi.known_hosts, timeout: 30 s}
    runtime: {kind: onnxruntime, threads: 4, precision: int8}

Each kind is a pydantic model in a file of its own; a new one is that file and a line in `RUNTIMES` or `TRANSPORTS`.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from ..errors import InputError
from ..files import parse, versioned
from .channel import Channel

SCHEMA = 1
"""Version of the YAML form. A reader refuses any other."""

RUNTIMES = {
    "onnxruntime": "onnxruntime:OnnxRuntime",
    "tensorrt": "tensorrt:TensorRT",
    "torch-cuda": "torch_cuda:TorchCuda",
}
TRANSPORTS = {"local": "local:Local", "ssh": "ssh:Ssh", "adb": "adb:Adb"}
"""Every kind by name, as module:class of this package."""

UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0}
LONGEST = 3600.0
"""Seconds that a device file may have one wait."""


def _seconds(value: Any) -> Any:
    """Seconds of a number with its unit: a bare number does not say what it counts."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(value))
    if not found or found[2] not in UNITS:
        raise ValueError(f"a time is a number and one of the units {', '.join(UNITS)}, such as '30 s'; not {value!r}")
    return float(found[1]) * UNITS[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=LONGEST)]
"""A field for how long to wait, written with its unit: 500 ms, 30 s, 2 min."""


class Spec(BaseModel):
    """Part of a device file: a field that is not known is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Runtime(Spec):
    """What runs models: a one-file runner, and what it is told."""

    runner: ClassVar[str]
    """File name of the runner in this package."""

    precision: str = "float32"
    """What the times are of, where the runner does not say it."""

    def arguments(self) -> list[str | Path]:
        """The runner's command-line arguments. A path is of a file here, which is brought to where the runner is."""
        raise NotImplementedError

    def prepare(self, model: Path, folder: Path) -> Path:
        """What the runner is given for the ONNX file `model`: itself, or a conversion of it written into `folder`."""
        return model

    def patience(self) -> float:
        """Seconds that loading a model may take, and running it once."""
        return 60.0


class Transport(Spec):
    """Where the runner runs, and how it is reached."""

    def channel(self, runtime: Runtime) -> Channel:
        """A channel, not yet open, to the runner of `runtime`."""
        raise NotImplementedError


class DeviceFile(Spec):
    """A device that can be measured."""

    name: str
    transport: Transport
    runtime: Runtime

    @classmethod
    def parse(cls, value: Any, where: object) -> Self:
        """Check what a file says. Raises `InputError` naming `where` and the first field that does not fit."""
        value = versioned(value, SCHEMA, where, "device file")
        for name in value.keys() - {"name", "transport", "runtime"}:
            raise InputError(f"{where}: {name}: no such field")
        name = value.get("name")
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            raise InputError(f"{where}: name: a device needs a name of letters, digits, '-', '_' and '.'")
        transport = _kind(value.get("transport", {"kind": "local"}), TRANSPORTS, f"{where}: transport")
        runtime = _kind(value.get("runtime", {"kind": "onnxruntime"}), RUNTIMES, f"{where}: runtime")
        return cls(name=name, transport=transport, runtime=runtime)


def read(path: Path) -> DeviceFile:
    """Read a device file. Raises `InputError`."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read device file {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # such as a date that is none
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    return DeviceFile.parse(value, path)


def _kind(value: Any, kinds: dict[str, str], where: str) -> Any:
    if not isinstance(value, dict) or value.get("kind") not in list(kinds):  # a list, as a kind may not be hashable
        raise InputError(f"{where}: kind: must be one of {', '.join(kinds)}")
    module, name = kinds[value["kind"]].split(":")
    kind = getattr(import_module(f".{module}", __package__), name)
    return parse(TypeAdapter(kind), {key: part for key, part in value.items() if key != "kind"}, where)
