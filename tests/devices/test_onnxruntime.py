"""onnxruntime as a runtime: its arguments, int8, and what the runner tells of the machine."""

import json
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest

from hwnas import devices
from hwnas.devices import onnxruntime_backend, runner, spec
from hwnas.devices.int8 import quantize
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.sent_model import SentModel
from hwnas.devices.tiny_model import write_tiny_model
from hwnas.latency.graph import empty, save
from hwnas.space.net import Block, Net
from hwnas.testing import refused

NET = Net(
    (
        Block("conv", 3, 8, 16, 16, 3, 2, act="hswish"),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=2, se=4, act="swish", residual=True),
        Block("mbconv", 8, 16, 8, 8, 5, 2, 3, act="relu6"),
        Block("classifier", 16, 5, 4, 4),
    ),
    "net",
)
JOINS = Net(
    (
        Block("shuffle", 3, 8, 16, 16, 3, 2, mid=6, act="relu"),
        Block("xception", 8, 8, 8, 8, 3, mid=6, act="relu"),
        Block("maxpool", 8, 8, 8, 8, 3, 2),
        Block("fused", 8, 8, 4, 4, 3, expansion=2, se=4, hard=True, act="relu", residual=True, pooled=True),
        Block("classifier", 8, 5, 4, 4, mid=12, act="hswish"),
    ),
    "joins",
)


def device(**runtime):
    """The device of a file with this runtime, on this machine."""
    made = spec.DeviceFile.parse({"schema": 1, "name": "d", "runtime": {"kind": "onnxruntime", **runtime}}, "test")
    return devices.build(made)


@pytest.fixture
def model(tmp_path):
    return save(NET, tmp_path / "net.onnx")


@pytest.mark.parametrize("net", [NET, JOINS], ids=lambda net: net.name)
def test_int8_runs_in_int8(net, tmp_path):
    model = save(net, tmp_path / "net.onnx")
    with device(precision="int8") as running:
        assert running.info.precision == "int8"
        running.load("net", model)
        assert running.time([("net", 2)])[0].shape == (2,)
        types = {operator.type for operator in running.breakdown(model, repeats=2).operators}
    assert "QLinearConv" in types
    assert "Conv" not in types


def test_quantisation_is_the_same_every_time(model, tmp_path):
    first, second = (quantize(model, tmp_path / name).read_bytes() for name in ("a.onnx", "b.onnx"))
    assert first == second
    kinds = Counter(node.op_type for node in onnx.load(tmp_path / "a.onnx").graph.node)
    assert kinds["Conv"] == Counter(node.op_type for node in onnx.load(model).graph.node)["Conv"]
    assert kinds["QuantizeLinear"] > 0


def test_quantised_models_answer_nearly_the_same(model, tmp_path):
    """So the values pass through int8 and not through zeros, which a kernel may be quick with."""
    quantize(model, tmp_path / "int8.onnx")
    images = np.random.default_rng(1).standard_normal((1, 3, 16, 16), np.float32)
    whole, rough = (
        onnxruntime.InferenceSession(path).run(None, {"images": images})[0] for path in (model, tmp_path / "int8.onnx")
    )
    assert np.corrcoef(whole.ravel(), rough.ravel())[0, 1] > 0.8


def test_a_model_with_nothing_to_quantise(tmp_path):
    path = tmp_path / "empty.onnx"
    path.write_bytes(empty().SerializeToString())
    with device(precision="int8") as running:
        running.load("empty", path)
        assert running.time([("empty", 2)])[0].shape == (2,)


def test_a_model_that_cannot_be_quantised(model):
    broken = onnx.load(model)
    broken.graph.node[0].input[0] = "nowhere"
    model.write_bytes(broken.SerializeToString())
    with device(precision="int8") as running, refused("model.does-not-run", reason="model.no-int8"):
        running.load("net", model)


def test_a_full_disk_is_not_the_fault_of_the_model(model, tmp_path, full_disk):
    with full_disk(1000), refused("file.not-written", path=tmp_path / "int8.onnx"):
        quantize(model, tmp_path / "int8.onnx")
    with device(precision="int8") as running:
        with full_disk(1000), refused("file.not-written"):
            running.load("net", model)
        running.load("net", model)
    with full_disk(100), refused("file.not-written", path=tmp_path / "tiny.onnx"):
        write_tiny_model(tmp_path / "tiny.onnx")


def test_a_copy_that_finds_no_space_is_not_the_fault_of_the_model(model, full_disk):
    """What is sent over a network is kept, where the runtime makes no artifact of its own."""
    with full_disk(1000), refused("file.not-written"):
        SentModel.prepare(model, OnnxRuntime(), keep=True)


def test_cores():
    _, *options, backend, provider = OnnxRuntime(threads=2, cores=(4, 5)).command()
    assert options == ["--threads", "2", "--cores", "4,5"]
    assert (backend.name, provider) == ("onnxruntime_backend.py", "cpu")
    with device() as running:
        own = running.info.cores
    if own:
        with device(cores=list(own)) as running:
            assert running.info.cores == own
        with refused("device.cannot-start") as refusal, device(cores=[1023]):
            pass
        assert "cannot run on the cores [1023]" in refusal.message


def test_more_threads_than_cores():
    with refused("device.cannot-start") as refusal, device(threads=1024):
        pass
    assert "cannot run 1024 threads: this machine gives" in refusal.message


@pytest.mark.parametrize(
    ("runtime", "field"),
    [
        ({"threads": 0}, ".threads"),
        ({"threads": 2, "cores": [1]}, ""),
        ({"cores": [-1]}, ".cores.0"),
        ({"cores": [1024]}, ".cores.0"),
        ({"threads": 2000}, ".threads"),
        ({"provider": "cuda", "precision": "int8"}, ""),
        ({"provider": "rocm"}, ".provider"),
        ({"provider": "cuda", "threads": 2}, ""),
        ({"precision": "int4"}, ".precision"),
        ({"speed": "high"}, ".speed"),
    ],
)
def test_what_a_file_may_not_say(runtime, field):
    with refused("device.file-field", field=f"runtime{field}"):
        device(**runtime)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="onnxruntime has CUDA")
@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_gpu_that_is_not_there_is_not_the_cpu(model):
    with refused("device.cannot-start") as refusal, device(provider="cuda"):
        pass
    assert "no CUDAExecutionProvider" in refusal.message
    with pytest.raises(ValueError, match="cannot use CUDAExecutionProvider"):
        onnxruntime_backend.Model(str(model), 1, "CUDAExecutionProvider")


CPUFREQ = "/sys/devices/system/cpu/cpu{}/cpufreq/{}"
BOARD = {
    "/proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4",
    **{CPUFREQ.format(core, "cpuinfo_max_freq"): "1500000" for core in (2, 3)},
    **{CPUFREQ.format(core, "scaling_max_freq"): "1500000" for core in (2, 3)},
    **{CPUFREQ.format(core, "scaling_cur_freq"): str(core * 400000) for core in (2, 3)},
    **{CPUFREQ.format(core, "scaling_governor"): "ondemand" for core in (2, 3)},
    "/sys/class/thermal/thermal_zone0/temp": "48312",
    "/sys/class/thermal/thermal_zone1/temp": "-274000",
}


@pytest.fixture
def board(monkeypatch):
    """A function that gives the runner's view of a machine whose system files are those of `BOARD`, changed."""

    def make(**changes):
        files = {**BOARD, **changes}
        monkeypatch.setattr(runner, "read", files.get)
        monkeypatch.setattr(runner.glob, "glob", lambda pattern: [name for name in files if "thermal" in name])
        monkeypatch.setattr(runner, "pin", lambda threads, cores, chosen: [2, 3])
        return runner.Cpu(2, [])

    return make


def test_what_a_board_tells(board):
    told = board().describe()
    assert (told["chip"], told["governor"], told["max_mhz"]) == ("Raspberry Pi 4 Model B Rev 1.4", "ondemand", 1500)
    assert board().state() == {"mhz": 1000, "celsius": 48.312, "throttled": False}
    json.dumps(told)


@pytest.mark.parametrize(
    ("file", "text", "field", "value"),
    [
        (CPUFREQ.format(3, "scaling_max_freq"), "1000000", "throttled", True),
        (CPUFREQ.format(3, "scaling_max_freq"), None, "throttled", None),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "50005", "throttled", True),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "0x50000", "throttled", False),
        ("/sys/devices/platform/soc/soc:firmware/get_throttled", "what?", "throttled", False),
        ("/sys/class/thermal/thermal_zone0/temp", "999000", "celsius", None),
        ("/sys/class/thermal/thermal_zone0/temp", "nan", "celsius", None),
        ("/sys/class/thermal/thermal_zone0/temp", None, "celsius", None),
        ("/sys/class/thermal/thermal_zone2/temp", "61000", "celsius", 61),
    ],
)
def test_only_what_can_be_is_told(board, file, text, field, value):
    assert board(**{file: text}).state()[field] == value


def test_clocks_of_a_pc(board):
    """Where the kernel has no clock control, /proc/cpuinfo tells; where it does not either, nobody does."""
    silent = dict.fromkeys(BOARD)
    told = "".join(f"processor\t: {core}\nmodel name\t: A  Chip\ncpu MHz\t\t: {core}000.5\n\n" for core in range(4))
    cpu = board(**silent, **{"/proc/cpuinfo": told})
    assert cpu.state() == {"mhz": 2500.5, "celsius": None, "throttled": None}
    assert cpu.describe()["model"] == "A  Chip"
    assert board(**silent).state() == {"mhz": None, "celsius": None, "throttled": None}
