"""A device as a YAML file describes it: a runtime that runs models, and a transport to where it runs.

    schema: 1
    name: kitchen-pi
    transport: {kind: ssh, host: pi.local, user: pi, known_hosts: pi.known_hosts, timeout: 30 s}
    runtime: {kind: onnxruntime, threads: 4, precision: int8}

Each kind is a pydantic model in a file of its own. A runtime may be anyone's: its kind is then a reference, such as
`my_runtime.py:MyRuntime`, which is resolved only if it is repeated on this call, as a file is data (`references.py`).
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_core import ErrorDetails

from ..errors import InputError
from ..files import complaint, versioned
from ..references import nearest_text, resolve
from .channel import Channel
from .runtime import Runtime, Spec

SCHEMA = 1
"""Version of the YAML form. A reader refuses any other."""

RUNTIMES = {
    "onnxruntime": "hwnas.devices.onnxruntime:OnnxRuntime",
    "tensorrt": "hwnas.devices.tensorrt:TensorRT",
    "torch-cuda": "hwnas.devices.torch_cuda:TorchCuda",
}
TRANSPORTS = {
    "local": "hwnas.devices.local:Local",
    "ssh": "hwnas.devices.ssh:Ssh",
    "adb": "hwnas.devices.adb:Adb",
}
"""Every kind that is built in, by name."""

UNITS = {"ms": 1e-3, "s": 1.0, "min": 60.0}
LONGEST = 3600.0
"""Seconds that a device file may have one wait."""

S = TypeVar("S", bound=Spec)


def _parse_seconds(value: Any) -> Any:
    """Seconds of a number with its unit: a bare number does not say what it counts."""
    found = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", str(value))
    if not found or found[2] not in UNITS:
        raise ValueError(f"a time is a number and one of the units {', '.join(UNITS)}, such as '30 s'; not {value!r}")
    return float(found[1]) * UNITS[found[2]]


Seconds = Annotated[float, BeforeValidator(_parse_seconds), Field(gt=0, le=LONGEST)]
"""A field for how long to wait, written with its unit: 500 ms, 30 s, 2 min."""


class _AsWritten(yaml.SafeLoader):
    """YAML whose numbers are numbers only where they are written as they would be printed: a serial such as 0123456 or
    12_34 stays what it is, and a field that wants a number takes the text of one."""

    def construct_scalar_number(self, node: yaml.ScalarNode) -> Any:
        """The number that `node` is, or its text where another number would be printed."""
        text = str(self.construct_scalar(node))
        number = self.construct_yaml_int(node) if node.tag.endswith(":int") else self.construct_yaml_float(node)
        return number if str(number) == text else text


for _tag in ("int", "float"):
    _AsWritten.add_constructor(f"tag:yaml.org,2002:{_tag}", _AsWritten.construct_scalar_number)


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
    kinds: tuple[str, str] = ("local", "onnxruntime")
    """The kinds of transport and runtime, as the file names them."""

    @classmethod
    def parse(cls, value: Any, where: object) -> Self:
        """Check what a file says. Raises `InputError` naming `where` and the first field that does not fit."""
        try:
            value = versioned(value, SCHEMA, where, "device file")
        except InputError as error:
            raise InputError(str(error), code="device.file-schema", where=str(where), known=SCHEMA) from None
        for name in value.keys() - {"name", "transport", "runtime"}:
            raise field_error(where, str(name), "no such field: there are name, transport, runtime")
        name = value.get("name")
        name = str(name) if type(name) in (int, float) else name  # digits are letters of a name too
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
            message = f"a device needs a name of letters, digits, '-', '_' and '.', not {name!r}"
            raise field_error(where, "name", message)
        transport, runtime = value.get("transport", {"kind": "local"}), value.get("runtime", {"kind": "onnxruntime"})
        kinds = _kind(transport, where, "transport"), _kind(runtime, where, "runtime")
        if kinds[0] not in TRANSPORTS:
            raise field_error(where, "transport.kind", f"must be one of {', '.join(TRANSPORTS)}, not {kinds[0]!r}")
        try:
            own = runtime_class(kinds[1])
        except InputError as error:
            raise InputError(f"{where}: runtime: kind: {error}", code=error.code, **error.fields) from None
        return cls(
            name=name,
            transport=_parse_part(transport, transport_class(kinds[0]), where, "transport"),
            runtime=_parse_part(runtime, own, where, "runtime"),
            kinds=kinds,
        )


def read(path: Path) -> DeviceFile:
    """Read a device file. Raises `InputError`."""
    try:
        value = yaml.load(path.read_text(encoding="utf-8"), _AsWritten)
    except OSError as error:
        raise InputError(
            f"cannot read device file {path}: {error.strerror or error}", code="device.file-unreadable", path=str(path)
        ) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # such as a date that is none
        reason = " ".join(str(error).split())
        raise InputError(f"{path} is not YAML: {reason}", code="device.file-not-yaml", path=str(path)) from None
    return DeviceFile.parse(value, path)


def field_error(where: object, field: str, what: str) -> InputError:
    """The error for a field of the device file `where`, such as "runtime.threads"."""
    message = f"{where}: {field.replace('.', ': ')}: {what}"
    return InputError(message, code="device.file-field", where=str(where), field=field)


def runtime_class(kind: str) -> type[Runtime]:
    """The runtime of this name or reference, which a device file names. Raises `InputError`, "reference.*"."""
    builtin: dict[str, str | type[Runtime]] = dict(RUNTIMES)
    return resolve("runtimes", kind, builtin, trusted=False, accepts=_is_runtime).value


def transport_class(kind: str) -> type[Transport]:
    """The transport of this name."""
    module, name = TRANSPORTS[kind].split(":")
    found: type[Transport] = getattr(import_module(module), name)
    return found


def _is_runtime(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Runtime)


def _kind(value: Any, where: object, field: str) -> str:
    """The kind that the field `transport` or `runtime` of a device file names."""
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        built_in = TRANSPORTS if field == "transport" else RUNTIMES
        raise field_error(where, f"{field}.kind", f"must be one of {', '.join(built_in)}")
    return kind


def _parse_part(value: dict[str, Any], kind: type[S], where: object, field: str) -> S:
    """The fields of a transport or a runtime but for its kind, validated."""
    try:
        return kind.model_validate({key: part for key, part in value.items() if key != "kind"})
    except ValidationError as error:
        errors = error.errors()  # a name that is misspelled first: that it is missing follows from it
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        raise field_error(where, ".".join(map(str, (field, *first["loc"]))), _complaint(first, kind)) from None


def _complaint(first: ErrorDetails, kind: type[Spec]) -> str:
    """What is wrong with a field, with its value."""
    if first["type"] == "extra_forbidden":
        known = ("kind", *kind.model_fields)
        return f"no such field{nearest_text(str(first['loc'][-1]), known)}: there are {', '.join(known)}"
    return complaint(first)
