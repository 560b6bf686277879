"""Devices by name and by file, and trying them out."""

from pathlib import Path

import pytest

from hwnas import devices
from hwnas.devices.spec import DeviceFile
from hwnas.errors import InputError
from hwnas.testing import refused

EXAMPLES = sorted(Path(devices.__file__).with_name("examples").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A function that writes a device file into the folder of devices."""
    monkeypatch.setenv(devices.FOLDER, str(tmp_path))

    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_names_and_refusals(folder):
    assert devices.names() == ("cpu",)
    assert devices.get("cpu", 2).runtime.threads == 2
    assert devices.get("cpu").runtime.threads == 1
    with refused("device.unknown", name="gpu", known=("cpu",)):
        devices.get("gpu")
    with refused("device.threads", threads=0):
        devices.get("cpu", 0)


def test_files_of_the_folder_are_devices_by_name(folder):
    path = folder("quick.yaml", "schema: 1\nname: mine\nruntime: {kind: onnxruntime, threads: 2, precision: int8}\n")
    folder("notes.txt", "no device")
    assert devices.names() == ("cpu", "mine")
    for name in ("mine", str(path)):
        device = devices.get(name)
        assert (str(device), device.runtime.threads, device.runtime.precision) == ("device mine", 2, "int8")
        assert (devices.get(name, 1).runtime.threads, devices.get(name, 1).runtime.precision) == (1, "int8")


def test_the_folder_is_that_of_the_current_one(tmp_path, monkeypatch):
    monkeypatch.delenv(devices.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "devices").mkdir()
    (tmp_path / "devices/a.yml").write_text("schema: 1\nname: here\n")
    assert devices.names() == ("cpu", "here")


def test_a_wrong_file_hides_no_other(folder):
    folder("a.yaml", "schema: 1\nname: a\nruntime: {kind: abacus}\n")
    folder("b.yaml", "{")
    folder("c.yaml", "schema: 1\nname: good\n")
    folder("d.yaml", "schema: 1\nname: good\n")
    folder("e.yaml", "schema: 1\nname: cpu\n")
    found = devices.list_devices()
    assert [name for name, device in found.items() if isinstance(device, DeviceFile)] == ["cpu", "good"]
    assert {Path(name).name: device.code for name, device in found.items() if isinstance(device, InputError)} == {
        "a.yaml": "reference.unknown",
        "b.yaml": "device.file-not-yaml",
        "d.yaml": "device.file-duplicate",
        "e.yaml": "device.file-duplicate",
    }
    with refused("device.unknown", name="a", known=("cpu", "good")) as refusal:
        devices.get("a")
    assert "a.yaml: runtime: kind" in refusal.message


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("schema: 1\n", "name"),
        ("schema: 1\nname: a/b\n", "name"),
        ("schema: 1\nname: a\nspeed: high\n", "speed"),
        ("schema: 1\nname: a\nruntime: {kind: onnxruntime, speed: high}\n", "runtime.speed"),
        ("schema: 1\nname: a\nruntime: {kind: onnxruntime, threads: many}\n", "runtime.threads"),
        ("schema: 1\nname: a\nruntime: {kind: [onnxruntime]}\n", "runtime.kind"),
        ("schema: 1\nname: a\ntransport: {kind: pigeon}\n", "transport.kind"),
        ("schema: 1\nname: a\ntransport: {kind: ssh}\n", "transport.host"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, timeout: 30}\n", "transport.timeout"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, timeout: 3 days}\n", "transport.timeout"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, timeout: 0 s}\n", "transport.timeout"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, port: 0}\n", "transport.port"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, timeout: 99 min}\n", "transport.timeout"),
        ("schema: 1\nname: a\ntransport: {kind: ssh, host: pi, key: ~no.such.user/key}\n", "transport.key"),
        ("schema: 1\nname: a\ntransport: {kind: [ssh]}\n", "transport.kind"),
        ("schema: 1\nname: a\ntransport: ssh\n", "transport.kind"),
    ],
)
def test_fields_that_a_file_may_not_have(tmp_path, text, field):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with refused("device.file-field", where=str(path), field=field):
        devices.get(str(path))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("schema: 2\nname: a\n", "schema"),
        ("name: a\n", "schema"),
        ("- a\n- list\n", "schema"),
        ("schema: 1\nname: 2020-13-45\n", "not-yaml"),
        ("[" * 1000, "not-yaml"),
        ("schema: 1\nname: [\n", "not-yaml"),
        ("!!python/object/apply:os.system [id]\n", "not-yaml"),
    ],
)
def test_what_is_no_device_file(tmp_path, text, code):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with refused(f"device.file-{code}") as refusal:
        devices.get(str(path))
    assert str(path) in refusal.message


@pytest.mark.parametrize(
    ("written", "serial"),
    [
        ("1234567890", "1234567890"),
        ("0123456701", "0123456701"),
        ("1234_5678", "1234_5678"),
        ("0x1F0000", "0x1F0000"),
        ("12.50", "12.50"),
        ("12:30:59", "12:30:59"),
        ("'0042'", "0042"),
        ("R58M", "R58M"),
    ],
)
def test_a_serial_of_digits_is_a_serial(tmp_path, written, serial):
    """YAML has other ideas: it reads 0123456701 as octal, and 12:30:59 to the base 60."""
    path = tmp_path / "a.yaml"
    path.write_text(f"schema: 1\nname: a\ntransport: {{kind: adb, serial: {written}, perf_test: /data/perf}}\n")
    assert devices.describe(str(path)).transport.serial == serial


def test_digits_are_a_text_where_a_text_is_wanted_and_a_number_where_a_number_is(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(
        "schema: 1\nname: 2026\ntransport: {kind: ssh, host: pi, user: 1000, port: 022, timeout: 1.50 s}\n"
        "runtime: {kind: onnxruntime, threads: 2, cores: [04, 5]}\n"
    )
    found = devices.describe(str(path))
    assert (found.name, found.transport.user, found.transport.port) == ("2026", "1000", 22)
    assert (found.transport.timeout, found.runtime.threads, found.runtime.cores) == (1.5, 2, (4, 5))


def test_a_file_that_is_not_there(tmp_path):
    with refused("device.file-unreadable", path=str(tmp_path / "absent.yaml")):
        devices.get(str(tmp_path / "absent.yaml"))


def test_threads_of_what_has_none(folder):
    folder("gpu.yaml", "schema: 1\nname: gpu\nruntime: {kind: onnxruntime, provider: cuda}\n")
    with refused("device.threads", device="gpu", threads=2):
        devices.get("gpu", 2)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_devices(path):
    assert devices.describe(str(path)).name == path.stem


def test_there_is_an_example_of_everything():
    found = [devices.describe(str(path)) for path in EXAMPLES]
    assert {type(device.transport).__name__ for device in found} == {"Local", "Ssh", "Adb"}
    assert {type(device.runtime).__name__ for device in found} == {"OnnxRuntime", "TensorRT", "TorchCuda"}


def test_trying_a_device_out(tmp_path):
    found = devices.check("cpu")
    assert (found["info"]["device"], found["info"]["threads"]) == ("cpu", 1)
    assert set(found["state"]) == {"mhz", "celsius", "throttled"}
    assert 0 < found["seconds"] < 60


def test_trying_out_a_device_that_fails(folder):
    folder("odd.yaml", "schema: 1\nname: odd\nruntime: {kind: onnxruntime, cores: [1023]}\n")
    with refused("device.cannot-start", device="odd"):
        devices.check("odd")
