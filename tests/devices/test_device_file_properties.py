"""Any valid device file says the same in YAML and in JSON, and what it does not know is refused by name."""

import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from hwnas.devices.spec import DeviceFile, read
from hwnas.errors import InputError
from hwnas.testing import refused

NAME = some.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,12}", fullmatch=True)
DIGITS = some.from_regex(r"[0-9_]{1,3}[0-9a-f_]{0,9}", fullmatch=True)
"""A serial, or a folder: many of them are numbers to YAML, such as 0123456, 12_34 or 1e5."""

SECONDS = some.builds("{} {}".format, some.integers(1, 60), some.sampled_from(["ms", "s", "min"]))


PYTHON = {"python": "/data/python3"}
"""What adb has to know, beside the phone."""


def described(kind, **fields):
    """A part of a device file: its kind, and any of its fields."""
    return some.fixed_dictionaries({"kind": some.just(kind)}, optional=fields)


TRANSPORTS = some.one_of(
    described("local"),
    some.builds(
        lambda host, rest: {**rest, "host": host},
        NAME,
        described("ssh", port=some.integers(1, 65535), user=NAME, folder=DIGITS, timeout=SECONDS),
    ),
    described("adb", serial=DIGITS, port=some.integers(1, 65535), timeout=SECONDS).map(lambda adb: adb | PYTHON),
)
CPU = described(
    "onnxruntime",
    threads=some.integers(1, 3),
    cores=some.lists(some.integers(0, 1023), min_size=3, max_size=5, unique=True),
    precision=some.sampled_from(["float32", "int8"]),
    opset=some.integers(14, 20),
)
RUNTIMES = some.one_of(
    CPU,
    described("onnxruntime", provider=some.sampled_from(["cpu", "cuda", "tensorrt"])),
    described("tensorrt", precision=some.sampled_from(["float32", "float16"])),
    described("torch-cuda", precision=some.sampled_from(["float32", "float16", "bfloat16"])),
)
DEVICES = some.fixed_dictionaries(
    {"schema": some.just(1), "name": NAME}, optional={"transport": TRANSPORTS, "runtime": RUNTIMES}
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(DEVICES)
def test_yaml_and_json_say_what_python_says(tmp_path, described):
    device = DeviceFile.parse(described, "here")
    for name, text in (("a.yaml", yaml.safe_dump(described)), ("b.yaml", json.dumps(described, indent=1))):
        (tmp_path / name).write_text(text)
        assert read(tmp_path / name) == device
    assert type(device.runtime).model_validate(device.runtime.model_dump()) == device.runtime
    for part in ("transport", "runtime"):
        for field, value in described.get(part, {}).items():
            if field not in ("kind", "timeout", "cores"):
                assert str(getattr(getattr(device, part), field)) == str(value)


@few
@given(DIGITS)
def test_a_serial_stays_what_is_written(tmp_path, serial):
    (tmp_path / "a.yaml").write_text(
        f"schema: 1\nname: {serial}\ntransport: {{kind: adb, serial: {serial}, python: /data/python3}}\n"
    )
    if serial.startswith("_"):
        with refused("device.file-field", InputError, field="name"):
            read(tmp_path / "a.yaml")
        return
    device = read(tmp_path / "a.yaml")
    assert (device.name, device.transport.serial) == (serial, serial)


@few
@given(DEVICES, some.sampled_from(["", "transport", "runtime"]), some.from_regex(r"[a-z_]{1,9}", fullmatch=True))
def test_an_unknown_field_is_refused_by_name(described, part, field):
    device = DeviceFile.parse(described, "here")
    known = {"": ("name", "transport", "runtime", "schema")} | {
        name: ("kind", *type(getattr(device, name)).model_fields) for name in ("transport", "runtime")
    }
    if field in known[part]:
        return
    kind = {"transport": "local", "runtime": "onnxruntime"}
    wrong = described | ({part: described.get(part, {"kind": kind[part]}) | {field: 1}} if part else {field: 1})
    with refused("device.file-field", InputError, where="here", field=f"{part}.{field}".strip(".")):
        DeviceFile.parse(wrong, "here")


@pytest.mark.parametrize("part", ["transport", "runtime"])
@given(some.text(max_size=8).filter(lambda kind: ":" not in kind))
@few
def test_a_kind_that_there_is_not_is_refused(part, kind):
    if kind in ("local", "ssh", "adb", "onnxruntime", "tensorrt", "torch-cuda"):
        return
    with pytest.raises(InputError) as error:
        DeviceFile.parse({"schema": 1, "name": "a", part: {"kind": kind}}, "here")
    assert error.value.code in ("device.file-field", "reference.unknown")
