"""A phone that is not one: everything from the wire of the adb server up, with stand-ins for Android's own programs."""

import shutil
import socket
import sys
from pathlib import Path

import pytest

pytest.importorskip("adbutils", reason="adb needs adbutils")

from fake_adb import FakeAdb

from hwnas.devices import android, process
from hwnas.devices.adb import Adb
from hwnas.devices.base import DeviceError
from hwnas.devices.channel import ChannelClosed, Unreachable
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.perf_test import WARM_UP
from hwnas.devices.phone import Phone
from hwnas.devices.process import RunnerDevice
from hwnas.devices.spec import DeviceFile
from hwnas.errors import InputError
from hwnas.latency.graph import save
from hwnas.space.net import Block

BLOCK = Block("mbconv", 4, 4, 6, 6, 3, expansion=2, act="relu6", residual=True)
KHZ = {0: 1766400, 1: 1766400, 2: 2803200, 3: 2803200}
PROPERTIES = """[ro.board.platform]: [sdm845]
[ro.build.version.release]: [12]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 3]
"""
THERMAL = """IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=88.0, mType=0, mName=cpu0, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=-99.9, mType=5, mName=PA, mStatus=0}
\tTemperature{mValue=41.25, mType=0, mName=cpu0, mStatus=0}
\tTemperature{mValue=31.0, mType=3, mName=skin, mStatus=0}
\tTemperature{mValue=4100.0, mType=6, mName=vbat, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=99, mType=2, mName=fan}
"""


def program(folder: Path, name: str, text: str) -> Path:
    """A program on the phone's PATH."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tells(folder: Path, name: str, text: str) -> None:
    """A program on the phone's PATH that prints `text`."""
    (folder / f"{name}.txt").write_text(text)
    program(folder, name, f"#!/bin/sh\ncat {folder}/{name}.txt\n")


def kernel(folder: Path, path: str, text: object) -> None:
    """A file below the phone's /sys."""
    file = folder / "sys" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


@pytest.fixture
def adb(tmp_path, monkeypatch):
    """An adb server with one phone, which has two slow and two fast cores."""
    monkeypatch.setattr(process, "WAITS", (0.0, 0.0))
    folder = tmp_path / "phone"
    folder.mkdir()
    for core, khz in KHZ.items():
        for name, value in (("cpuinfo_max_freq", khz), ("scaling_cur_freq", khz // 2), ("scaling_governor", "walt")):
            kernel(folder, f"devices/system/cpu/cpu{core}/cpufreq/{name}", value)
    tells(folder, "getprop", PROPERTIES)
    tells(folder, "dumpsys", THERMAL)
    # Android's own knows a mask of hexadecimal digits and nothing else.
    mask = f'#!/bin/sh\necho "$1" >{folder}/mask\ncase "$1" in *[!0-9a-f]*) exit 1;; esac\nshift\nexec "$@"\n'
    program(folder, "taskset", mask)
    with FakeAdb(folder) as server:
        yield server


@pytest.fixture
def model(tmp_path):
    return save(BLOCK, tmp_path / "model.onnx")


@pytest.fixture
def perf_test(adb):
    """The path on the phone of a stand-in for onnxruntime's program."""
    source = Path(__file__).with_name("fake_perf_test.py").read_text()
    return str(program(adb.folder, "onnxruntime_perf_test", f"#!{sys.executable}\n{source}"))


def phone(adb, runtime=None, **fields) -> RunnerDevice:
    """The phone behind the server, under Python unless `fields` name the other program."""
    fields = {"python": sys.executable} | fields if "perf_test" not in fields else fields
    runtime = runtime or OnnxRuntime()
    transport = Adb(port=adb.port, folder=str(adb.folder / "tmp"), timeout="20 s", **fields)
    return RunnerDevice("phone", transport.channel(runtime), runtime)


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
        with pytest.raises(DeviceError, match="a"):
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
    with pytest.raises(DeviceError, match="set cores"), phone(adb):
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
        with pytest.raises(DeviceError, match=r"could not be reached again.*no phone PHONE1") as caught:
            either.time([("a", 1)])
    assert "\n" not in str(caught.value)


def test_another_phone_is_not_taken_for_the_first(adb, either, model):
    with either:
        either.load("a", model)
        tells(adb.folder, "getprop", PROPERTIES.replace("Pixel 3", "Pixel 4"))
        adb.cut()  # which python hears of; the other has no connection open, and hears of the next
        adb.cut_at = "exec:"
        with pytest.raises(DeviceError, match="not as it was"):
            either.time([("a", 1)])


def test_a_push_that_breaks(adb, model, tmp_path):
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    adb.cut_at = "sync:"
    with pytest.raises(ChannelClosed, match="broke"):
        target.push(model, str(tmp_path / "copy"))
    target.push(model, str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == model.read_bytes()


def test_a_push_that_is_refused(adb, model, tmp_path):
    with pytest.raises(DeviceError, match=r"refused the file .*: couldn't create file: No such file"):
        Phone("PHONE1", "127.0.0.1", adb.port, 20).push(model, str(tmp_path / "absent" / "copy"))


@pytest.mark.parametrize(
    ("phones", "says"),
    [
        ({}, "no phone: plug it in"),
        ({"A": "unauthorized"}, "phone A is unauthorized: allow this computer"),
        ({"A": "offline"}, "phone A is offline"),
        ({"A": "device", "B": "device"}, "more than one phone: set serial to one of A, B"),
    ],
)
def test_no_phone_to_use(adb, phones, says):
    adb.phones = phones
    with pytest.raises(DeviceError, match=says) as caught, phone(adb):
        pass
    assert "\n" not in str(caught.value)


def test_one_of_several_phones(adb):
    adb.phones = {"A": "offline", "B": "device", "C": "device"}
    with phone(adb, serial="B") as device:
        assert device.channel.phone.serial == "B"
    with pytest.raises(DeviceError, match="no phone D: adb devices lists A, B, C"), phone(adb, serial="D"):
        pass
    adb.phones = {"A": "offline", "B": "device"}
    with phone(adb) as device:
        assert device.channel.phone.serial == "B"


def test_no_adb_server():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable, match=f"no adb server at 127.0.0.1:{port}: start it with: adb start-server"):
        Phone(None, "127.0.0.1", port, 20).find()


def test_something_else_at_the_port():
    """A server that takes connections and hangs: the timeout ends it, whatever the server is."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Unreachable, match="gives no list"):
        Phone(None, "127.0.0.1", server.getsockname()[1], 0.2).find()


def test_commands_that_do_not_end(adb):
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    with pytest.raises(TimeoutError):
        target.shell("sleep 60", 0.2)
    with pytest.raises(DeviceError, match="more than"):
        target.shell("yes")
    assert target.shell("exit 3 2>&1 | false")[0] == 1


def test_python_that_is_absent(adb):
    with pytest.raises(DeviceError, match="not found") as caught, phone(adb, python="no-such-python"):
        pass
    assert "\n" not in str(caught.value)
    assert not (adb.folder / "tmp").exists()


def test_words_of_the_user_stay_words(adb, perf_test):
    """A folder with a quote and a command in it is a folder."""
    fields = {"port": adb.port, "folder": f"{adb.folder}/it's; touch pwned", "perf_test": perf_test, "timeout": "20 s"}
    with RunnerDevice("phone", Adb(**fields).channel(OnnxRuntime()), OnnxRuntime()):
        assert Path(fields["folder"]).is_dir()
    assert not Path(fields["folder"]).exists()
    assert not Path("pwned").exists()


def test_perf_test_that_is_absent(adb):
    with pytest.raises(DeviceError, match="test fails on the phone"), phone(adb, perf_test="/no/such/program"):
        pass


def test_perf_test_tells_which_build_it_is(adb, perf_test):
    with phone(adb, perf_test=perf_test) as device:
        version = device.info.version
    Path(perf_test).write_text(Path(perf_test).read_text() + "\n# another build\n")
    with phone(adb, perf_test=perf_test) as device:
        assert device.info.version != version


def test_perf_test_cannot_break_down(adb, perf_test, model):
    with phone(adb, perf_test=perf_test) as device, pytest.raises(InputError, match="needs python on the phone"):
        device.breakdown(model)


def test_a_model_that_does_not_run(adb, perf_test, tmp_path):
    wrong = save(BLOCK, tmp_path / "wrong.onnx")
    wrong.write_bytes(wrong.read_bytes().replace(b"Conv", b"Cnov"))
    with phone(adb, perf_test=perf_test) as device, pytest.raises(InputError, match=r"wrong.onnx does not run.*Cnov"):
        device.load("a", wrong)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("m,nan,1,1,{run}", "no positive number"),
        ("m,-0.1,1,1,{run}", "no positive number"),
        ("m,soon,1,1,{run}", "other than times"),
        ("m,0.1,1,1,7", "wrote 13 lines of something"),
        ("{run}", "other than times"),
    ],
)
def test_perf_test_that_lies(adb, row, says, model):
    """Whatever is in the result file that is no list of as many times: one line, and no number from it."""
    lines = "".join(f'echo "{row.format(run=run)}" >>"$result"\n' for run in range(3 + WARM_UP))
    text = f'#!/bin/sh\nfor result; do :; done\ncase "$*" in *"-r 13"*)\n{lines};; *)\n'
    text += 'for run in 0 1 2 3 4 5 6 7 8 9 10; do echo "m,1e-3,1,1,$run" >>"$result"; done;; esac\n'
    lying = str(program(adb.folder, "lying", text))
    with phone(adb, perf_test=lying) as device:
        device.load("a", model)
        with pytest.raises(DeviceError, match=says):
            device.time([("a", 3)])


@pytest.mark.parametrize(
    ("thermal", "expected"),
    [
        ("Thermal Status: 2\n", {"celsius": None, "throttled": True}),
        ("Can't find service: thermalservice\n", {"celsius": None, "throttled": None}),
        ("Thermal Status: 99999999999\n", {"celsius": None, "throttled": None}),
        (
            "Current temperatures from HAL:\nTemperature{mValue=9" + "9" * 400 + ", mType=0,\n",
            {"celsius": None, "throttled": None},
        ),
    ],
)
def test_a_phone_that_tells_little_or_nonsense(adb, thermal, expected):
    tells(adb.folder, "dumpsys", thermal)
    for core in KHZ:
        kernel(adb.folder, f"devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", "fast")
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    assert android.state(target, (2, 3)) == {"mhz": None, **expected}


def test_sensors_of_the_kernel_where_android_has_none(adb):
    tells(adb.folder, "dumpsys", "")
    for zone, value in enumerate((38200, 45100, -40000, 999999, "broken")):
        kernel(adb.folder, f"class/thermal/thermal_zone{zone}/temp", value)
    assert android.state(Phone("PHONE1", "127.0.0.1", adb.port, 20), (2, 3))["celsius"] == 45.1


def test_a_phone_of_odd_words(adb):
    tells(adb.folder, "getprop", f"[ro.product.model]: [\x1b[31mred]\n[ro.product.manufacturer]: [{'x' * 5000}]\n")
    told = android.describe(Phone("PHONE1", "127.0.0.1", adb.port, 20), (2, 3))
    assert told["model"] == "?[31mred"
    assert told["os"].startswith("Android ? ")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "one of python and perf_test"),
        ({"python": "python", "perf_test": "/data/perf_test"}, "one of python and perf_test"),
        ({"perf_test": "perf_test"}, "perf_test"),
        ({"python": "python", "folder": "/"}, "folder"),
        ({"python": "python", "timeout": "0 s"}, "greater than 0"),
        ({"python": "python", "timeout": 30}, "number and one of the units"),
        ({"python": "python", "port": 0}, "port"),
        ({"python": "python", "colour": "red"}, "colour"),
    ],
)
def test_device_files_that_are_wrong(fields, says):
    value = {"schema": 1, "name": "phone", "transport": {"kind": "adb", **fields}}
    with pytest.raises(InputError, match=says) as caught:
        DeviceFile.parse(value, "phone.yaml")
    assert str(caught.value).startswith("phone.yaml: transport")
    assert "\n" not in str(caught.value)


def test_a_runtime_that_no_phone_has(adb):
    with pytest.raises(InputError, match="provider cpu"):
        phone(adb, OnnxRuntime(provider="cuda"))


def test_adbutils_is_absent(adb, monkeypatch):
    monkeypatch.setitem(sys.modules, "adbutils", None)
    with pytest.raises(InputError, match=r"pip install hwnas\[adb\]"):
        phone(adb)
