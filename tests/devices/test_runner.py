"""The runner's conversation, with the real one and with runners that lie, babble or die."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from hwnas import devices
from hwnas.devices.base import DeviceError
from hwnas.devices.local import LocalChannel
from hwnas.devices.process import RunnerDevice
from hwnas.errors import InputError
from hwnas.latency.graph import empty, save
from hwnas.space.net import Block

INFO = {"model": "m", "runtime": "r", "version": "1", "threads": 1, "os": "o", "cores": []}
BLOCK = Block("mbconv", 4, 4, 6, 6, 3, expansion=2, act="relu6", residual=True)


@pytest.fixture
def model(tmp_path):
    return save(BLOCK, tmp_path / "model.onnx")


def runner_that(answers: str, first: str = json.dumps(INFO)) -> RunnerDevice:
    """A device whose runner says `first`, and for each request does what the code `answers` says."""
    code = f"import sys\nprint({first!r}, flush=True)\nfor line in sys.stdin:\n    {answers}\n    sys.stdout.flush()"
    return RunnerDevice("fake", LocalChannel([sys.executable, "-c", code]))


def test_times_are_one_array_for_each_visit(model):
    with devices.get("cpu") as cpu:
        cpu.load("a", model)
        cpu.load("b", model)
        times = cpu.time([("a", 3), ("b", 5), ("a", 1)])
    assert [seconds.shape for seconds in times] == [(3,), (5,), (1,)]
    assert all((seconds > 0).all() for seconds in times)


def test_what_the_device_is(model):
    with devices.get("cpu", 1) as cpu:
        info = cpu.info
    assert (info.device, info.runtime, info.precision) == ("cpu", "onnxruntime", "float32")
    assert (info.threads, info.batch) == (1, 1)
    assert info.model
    assert len(info.cores) <= 1
    assert info.differences(info) == []


def test_a_free_batch_is_one(tmp_path):
    """`empty` has a free batch; a runner that took it for anything but 1 would time another model than asked."""
    path = tmp_path / "empty.onnx"
    path.write_bytes(empty().SerializeToString())
    with devices.get("cpu") as cpu:
        cpu.load("empty", path)
        assert cpu.time([("empty", 2)])[0].shape == (2,)


def test_errors_leave_the_conversation_in_step(model, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with devices.get("cpu") as cpu:
        with pytest.raises(InputError, match=r"broken.onnx does not run on device cpu"):
            cpu.load("broken", tmp_path / "broken.onnx")
        with pytest.raises(InputError, match=r"absent.onnx does not run"):
            cpu.load("absent", tmp_path / "absent.onnx")
        with pytest.raises(DeviceError, match="KeyError"):
            cpu.time([("absent", 1)])
        cpu.load("fine", model)
        assert cpu.time([("fine", 2)])[0].shape == (2,)
        cpu.unload("fine")
        with pytest.raises(DeviceError, match="fine"):
            cpu.time([("fine", 2)])


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ('{"seconds": [[0.1, NaN]]}', "no positive number"),
        ('{"seconds": [[0.1, Infinity]]}', "no positive number"),
        ('{"seconds": [[0.1, -0.1]]}', "no positive number"),
        ('{"seconds": [[0.1, 0]]}', "no positive number"),
        ('{"seconds": [[0.1]]}', "asked for 2 times of a, answered 1"),
        ('{"seconds": [["x", "y"]]}', "other than times"),
        ('{"seconds": [[0.1, null]]}', "no positive number"),
        ('{"seconds": []}', "did not answer 1 visits"),
        ("{}", "did not answer 1 visits"),
        ('{"error": "too hot"}', "too hot"),
        ("[1, 2]", "other than a JSON object"),
        ("hello", "other than a JSON object: hello"),
    ],
)
def test_nothing_a_runner_says_is_believed(answer, complaint):
    with runner_that(f"print({answer!r})") as device, pytest.raises(DeviceError, match=complaint) as caught:
        device.time([("a", 2)])
    assert "\n" not in str(caught.value)


def test_a_runner_that_dies_is_named_with_its_last_words():
    with runner_that('sys.exit("out of memory")') as device:
        with pytest.raises(DeviceError, match=r"fake ended unexpectedly: out of memory"):
            device.time([("a", 2)])
        with pytest.raises(DeviceError, match="ended unexpectedly"):
            device.time([("a", 2)])


def test_a_runner_that_dies_in_the_middle_of_an_answer():
    half = """sys.stdout.write('{"seconds": [[0.1'); sys.exit()"""
    with runner_that(half) as device, pytest.raises(DeviceError, match="ended unexpectedly"):
        device.time([("a", 2)])


@pytest.mark.parametrize(
    ("first", "complaint"),
    [("hello", "JSON object"), ("{}", "Field required"), (json.dumps({**INFO, "threads": "many"}), "threads")],
)
def test_a_runner_that_does_not_say_what_it_is(first, complaint):
    with pytest.raises(InputError, match=complaint), runner_that("pass", first):
        pass


def test_a_runner_that_cannot_start():
    with pytest.raises(DeviceError, match="cannot start"), RunnerDevice("fake", LocalChannel(["/no/such/program"])):
        pass


def test_a_device_that_is_not_up_says_so():
    device = devices.get("cpu")
    for use in (lambda: device.info, lambda: device.time([("a", 1)])):
        with pytest.raises(DeviceError, match="cpu is not running"):
            use()


def test_names_and_refusals():
    assert "cpu" in devices.names()
    assert devices.get("cpu", 2).runtime.threads == 2
    with pytest.raises(InputError, match="no device 'gpu'"):
        devices.get("gpu")
    with pytest.raises(InputError, match="at least 1 thread"):
        devices.get("cpu", 0)


def test_the_runner_needs_nothing_of_hwnas():
    """It is copied to boards by itself, so it may not import its neighbours."""
    source = Path(devices.__file__).with_name("runner.py").read_text()
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import", "from"))}
    assert imported <= {*sys.stdlib_module_names, "numpy", "onnxruntime"}


def test_differences_name_the_field():
    with devices.get("cpu") as cpu:
        info = cpu.info
    other = type(info)(**{**info.__dict__, "threads": 2, "cores": (7,)})
    assert info.differences(other) == ["threads: 1, not 2"]


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_the_runner_ends_with_its_parent():
    """A parent that is killed cannot say goodbye; the runner must not stay behind and disturb the next measurement."""
    code = "from hwnas import devices\nimport time\nwith devices.get('cpu') as cpu:\n"
    code += "    print(cpu.channel.pid, flush=True)\n    time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    runner = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while alive(runner) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(runner)


def alive(pid: int) -> bool:
    """Whether the process runs: one that ended and was not waited for, as in a container without init, does not."""
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text() if Path("/proc").is_dir() else not os.kill(pid, 0)
    except OSError:
        return False


def test_seconds_are_seconds(tmp_path):
    """A convolution of 10^8 multiplications takes longer than one of 10^4, and no run takes a minute."""
    sizes = {"small": Block("conv", 4, 4, 4, 4, 3), "large": Block("conv", 64, 64, 56, 56, 3)}
    with devices.get("cpu") as cpu:
        for key, block in sizes.items():
            cpu.load(key, save(block, tmp_path / f"{key}.onnx"))
        small, large = (np.min(seconds) for seconds in cpu.time([("small", 5), ("large", 5)]))
    assert small < large < 60
