"""The one-file runner, as it runs on this machine."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from hwnas import devices
from hwnas.devices import runner
from hwnas.latency.graph import empty, save
from hwnas.space.net import Block
from hwnas.testing import refused


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
        with refused("model.does-not-run", device="cpu", reason="model.not-onnx"):
            cpu.load("broken", tmp_path / "broken.onnx")
        with refused("model.does-not-run", reason="model.unreadable"):
            cpu.load("absent", tmp_path / "absent.onnx")
        with refused("device.failed"):
            cpu.time([("absent", 1)])
        cpu.load("fine", model)
        assert cpu.time([("fine", 2)])[0].shape == (2,)
        cpu.unload("fine")
        with refused("device.failed"):
            cpu.time([("fine", 2)])


def test_a_device_that_is_not_up_says_so():
    device = devices.get("cpu")
    for use in (lambda: device.info, lambda: device.time([("a", 1)])):
        with refused("device.not-running", device="cpu"):
            use()


THERE = {
    "runner": set(),
    "nvidia_gpu": set(),
    "cores": set(),
    "onnxruntime_backend": {"numpy", "onnxruntime"},
    "tensorrt_backend": {"numpy"},
    "torch_backend": {"numpy", "onnx", "torch"},
}
"""What the files that are copied to devices import beside Python's own modules."""


@pytest.mark.parametrize(("name", "needs"), THERE.items(), ids=THERE)
def test_what_runs_on_a_device_needs_nothing_of_hwnas(name, needs):
    """Each is copied to boards by itself, so it may not import its neighbours."""
    tree = ast.parse(Path(devices.__file__).with_name(f"{name}.py").read_text())
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + node.module.split(".")[0])
    assert imported - sys.stdlib_module_names == needs


@pytest.mark.parametrize("name", THERE)
def test_what_runs_on_a_device_runs_on_old_pythons(name):
    """Boards and phones have what they have: no syntax later than 3.8's."""
    source = Path(devices.__file__).with_name(f"{name}.py").read_text()
    assert ast.parse(source, feature_version=(3, 8)).body
    assert "from __future__ import annotations\n" in source  # or they would be evaluated


def test_the_runner_runs_on_python_3_8(tmp_path):
    """With a backend of plain Python, where there is such a Python."""
    old = shutil.which("python3.8")
    if old is None or subprocess.run([old, "-c", ""]).returncode:
        pytest.skip("no Python 3.8 here")
    (tmp_path / "plain.py").write_text(
        "class Backend:\n    runtime = version = 'plain'\n    def __init__(self, threads): pass\n"
        "    def load(self, path): return self\n    def time(self, repeats): return [0.5] * repeats\n"
    )
    requests = [{"do": "load", "key": "a", "path": "p"}, {"do": "time", "visits": [["a", 2]]}, {"do": "state"}]
    command = [old, runner.__file__, "--threads", "1", str(tmp_path / "plain.py")]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    found = subprocess.run(command, input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert json.loads(found[0])["runtime"] == "plain"
    assert [json.loads(line) for line in found[1:3]] == [{}, {"seconds": [[0.5, 0.5]]}]
    assert set(json.loads(found[3])) == {"mhz", "celsius", "throttled"}


def test_where_time_and_memory_go(model):
    with devices.get("cpu") as cpu:
        found = cpu.breakdown(model, repeats=3)
        cpu.load("a", model)  # the conversation goes on
    assert [operator.type for operator in found.operators].count("Conv") == 3
    assert all(0 <= operator.seconds < 60 for operator in found.operators)
    assert any(operator.seconds > 0 for operator in found.operators)
    assert found.peak_bytes is None or found.peak_bytes < 2**30


def test_memory_is_that_of_the_model(tmp_path):
    """40 MB of weights are in memory once it is loaded, where the operating system tells."""
    path = save(Block("conv", 1056, 1056, 4, 4, 3), tmp_path / "large.onnx")
    with devices.get("cpu") as cpu:
        first, second = (cpu.breakdown(path, repeats=1).peak_bytes for _ in range(2))
    if first is None:
        pytest.skip("this system does not tell how much memory a process had at most")
    assert 40e6 < first < 400e6
    assert 0.5 < second / first < 2  # the runner has had the memory before, and still tells of it


def test_how_the_device_is():
    with devices.get("cpu") as cpu:
        state = cpu.state()
    assert state.mhz is None or 10 < state.mhz < 20000
    assert state.celsius is None or 0 < state.celsius < 150
    assert state.throttled in (None, True, False)


def test_a_model_that_cannot_be_broken_down(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with (
        devices.get("cpu") as cpu,
        refused("model.does-not-run", device="cpu", reason="model.not-onnx"),
    ):
        cpu.breakdown(tmp_path / "broken.onnx")


def test_an_operator_that_the_runtime_does_not_have(tmp_path):
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Fancy", ["x"], ["y"], domain="example")], "g", [given], [made])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "fancy.onnx")
    with devices.get("cpu") as cpu, refused("model.does-not-run", reason="runtime") as refusal:
        cpu.load("fancy", tmp_path / "fancy.onnx")
    assert "Fancy" in refusal.message


def test_differences_name_the_field():
    with devices.get("cpu") as cpu:
        info = cpu.info
    other = type(info)(**{**info.__dict__, "threads": 2, "cores": (7,)})
    assert info.differences(other) == ["threads: 1, not 2"]


def test_seconds_are_seconds(tmp_path):
    """A convolution of 10^8 multiplications takes longer than one of 10^4, and no run takes a minute."""
    sizes = {"small": Block("conv", 4, 4, 4, 4, 3), "large": Block("conv", 64, 64, 56, 56, 3)}
    with devices.get("cpu") as cpu:
        for key, block in sizes.items():
            cpu.load(key, save(block, tmp_path / f"{key}.onnx"))
        small, large = (np.min(seconds) for seconds in cpu.time([("small", 5), ("large", 5)]))
    assert small < large < 60
