"""A phone from end to end, with each program that can run models there: measured, unplugged, absent, refused."""

import shutil
import sys
from pathlib import Path

import pytest
from fake_phone import PROPERTIES, phone, tells

from hwnas.devices.adb import Adb
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.perf_test import WARM_UP
from hwnas.devices.process import RunnerDevice
from hwnas.devices.spec import DeviceFile
from hwnas.testing import refused


@pytest.fixture(params=["python", "perf_test"])
def either(request, adb):
    """A phone with each of the two programs that can run models there."""
    if request.param == "python":
        return phone(adb)
    return phone(adb, perf_test=request.getfixturevalue("perf_test"))


def test_times_from_either_program(adb, either, model):
    with either:
        either.load("a", model)
        either.load("b", model)
        times = either.time([("a", 3), ("b", 5), ("a", 1)])
        either.unload("a")
        with refused("device.failed", device="phone"):
            either.time([("a", 1)])
        assert either.time([("b", 2)])[0].shape == (2,)
    assert [seconds.shape for seconds in times] == [(3,), (5,), (1,)]
    assert all((seconds > 0).all() for seconds in times)


def test_what_the_phone_is_and_how_it_is(adb, either):
    with either:
        info, state = either.info, either.state()
    assert (info.model, info.chip, info.governor, info.max_mhz) == ("Google Pixel 3", "sdm845", "walt", 2803.2)
    assert info.os.startswith("Android 12 ")
    assert (info.runtime, info.threads, info.precision) == ("onnxruntime", 1, "float32")
    assert (state.mhz, state.celsius, state.throttled) == (1401.6, 41.25, False)


def test_models_run_on_the_fastest_cores(adb, perf_test, model):
    with phone(adb, OnnxRuntime(threads=3), perf_test=perf_test) as device:
        device.load("a", model)
        assert device.info.cores == (1, 2, 3)
    assert (adb.folder / "mask").read_text() == "e\n"
    with phone(adb, OnnxRuntime(threads=1, cores=(0, 2)), perf_test=perf_test) as device:
        device.load("a", model)
        assert device.info.cores == (0, 2)
    assert (adb.folder / "mask").read_text() == "5\n"


def test_a_phone_that_hides_its_clocks_wants_its_cores_named(adb):
    shutil.rmtree(adb.folder / "sys")
    with refused("device.hidden-clocks", threads=1), phone(adb):
        pass
    assert not (adb.folder / "tmp").exists()


def test_nothing_is_left_on_the_phone(adb, either, model):
    with either:
        either.load("a", model)
        assert list((adb.folder / "tmp").rglob("*.onnx"))
    assert not (adb.folder / "tmp").exists()


def test_a_pulled_plug_in_the_middle(adb, either, model):
    """The connection breaks while times are asked for: they are measured all the same, with the model loaded anew."""
    with either:
        either.load("a", model)
        adb.cut_at = f"-r {7 + WARM_UP}" if "perf_test" in either.info.version else '"do": "time"'
        times = either.time([("a", 7)])
        assert adb.cuts == 1
    assert times[0].shape == (7,)
    assert (times[0] > 0).all()
    assert not (adb.folder / "tmp").exists()


def test_a_phone_that_stays_away(adb, either, model):
    with either:
        either.load("a", model)
        adb.phones.clear()
        adb.cut()
        with refused("device.unreachable", device="phone") as refusal:
            either.time([("a", 1)])
    assert "no phone PHONE1" in refusal.message


def test_another_phone_is_not_taken_for_the_first(adb, either, model):
    with either:
        either.load("a", model)
        tells(adb.folder, "getprop", PROPERTIES.replace("Pixel 3", "Pixel 4"))
        adb.cut()  # which python hears of; the other has no connection open, and hears of the next
        adb.cut_at = "exec:"
        with refused("device.changed", device="phone"):
            either.time([("a", 1)])


@pytest.mark.parametrize(
    ("phones", "code", "fields"),
    [
        ({}, "no-phone", {}),
        ({"A": "unauthorized"}, "phone-unauthorized", {"serial": "A"}),
        ({"A": "offline"}, "phone-not-ready", {"serial": "A"}),
        ({"A": "device", "B": "device"}, "several-phones", {"serials": ["A", "B"]}),
    ],
)
def test_no_phone_to_use(adb, phones, code, fields):
    adb.phones = phones
    with refused(f"device.{code}", **fields), phone(adb):
        pass


def test_one_of_several_phones(adb):
    adb.phones = {"A": "offline", "B": "device", "C": "device"}
    with phone(adb, serial="B") as device:
        assert device.channel.phone.serial == "B"
    with refused("device.no-phone", serial="D"), phone(adb, serial="D"):
        pass
    adb.phones = {"A": "offline", "B": "device"}
    with phone(adb) as device:
        assert device.channel.phone.serial == "B"


def test_python_that_is_absent(adb):
    with refused("device.cannot-start", device="phone") as refusal, phone(adb, python="no-such-python"):
        pass
    assert "not found" in refusal.message
    assert not (adb.folder / "tmp").exists()


def test_words_of_the_user_stay_words(adb, perf_test):
    """A folder with a quote and a command in it is a folder."""
    fields = {"port": adb.port, "folder": f"{adb.folder}/it's; touch pwned", "perf_test": perf_test, "timeout": "20 s"}
    with RunnerDevice("phone", Adb(**fields).channel(OnnxRuntime()), OnnxRuntime()):
        assert Path(fields["folder"]).is_dir()
    assert not Path(fields["folder"]).exists()
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, ""),
        ({"python": "python", "perf_test": "/data/perf_test"}, ""),
        ({"perf_test": "perf_test"}, ".perf_test"),
        ({"python": "python", "folder": "/"}, ".folder"),
        ({"python": "python", "timeout": "0 s"}, ".timeout"),
        ({"python": "python", "timeout": 30}, ".timeout"),
        ({"python": "python", "port": 0}, ".port"),
        ({"python": "python", "colour": "red"}, ".colour"),
        ({"python": "it's"}, ".python"),
        ({"python": " "}, ".python"),
    ],
)
def test_device_files_that_are_wrong(fields, wrong):
    value = {"schema": 1, "name": "phone", "transport": {"kind": "adb", **fields}}
    with refused("device.file-field", where="phone.yaml", field=f"transport{wrong}"):
        DeviceFile.parse(value, "phone.yaml")


def test_a_runtime_that_no_phone_has(adb):
    with refused("device.no-phone-runtime", runtime="OnnxRuntime"):
        phone(adb, OnnxRuntime(provider="cuda"))


def test_adbutils_is_absent(adb, monkeypatch):
    monkeypatch.setitem(sys.modules, "adbutils", None)
    with refused("device.package-absent", package="adbutils"):
        phone(adb)
