"""A runtime that is too old for the models of hwnas: told when the device is tried out, with the reason whole."""

from pathlib import Path
from typing import ClassVar

import onnx
import pytest

from hwnas.devices import answers
from hwnas.devices.local import Local
from hwnas.devices.process import RunnerDevice
from hwnas.devices.runtime import Runtime
from hwnas.devices.tiny_model import run_tiny_model, write_tiny_model
from hwnas.errors import DeviceError
from hwnas.latency.graph import empty
from hwnas.testing import refused

BACKEND = '''
import onnx

class Backend:
    """As onnxruntime reads models: up to a version of them."""

    runtime, version = "{runtime}", "{version}"

    def __init__(self, threads):
        pass

    def load(self, path):
        model = onnx.load(path)
        if model.ir_version > {ir_version}:
            where = "/onnxruntime_src/core/graph/model.cc:149 onnxruntime::Model::Model(" + "x, " * 150 + ")"
            raise RuntimeError(f"Load model from {{path}} failed: {{where}} Unsupported model IR version: "
                               f"{{model.ir_version}}, max supported IR version: {ir_version}")
        if model.opset_import[0].version > {opset}:
            raise RuntimeError("Current official support for domain ai.onnx is till opset {opset}.")
        return self

    def time(self, repeats):
        return [0.001] * repeats
'''


@pytest.fixture
def device(tmp_path):
    """A function that makes a device whose runtime reads models up to some version."""

    def make(opset, ir_version, runtime="onnxruntime", version="1.16.3"):
        text = BACKEND.format(runtime=runtime, version=version, opset=opset, ir_version=ir_version)
        (tmp_path / "backend.py").write_text(text)

        class Mine(Runtime):
            backend: ClassVar[Path] = tmp_path / "backend.py"

        return RunnerDevice("board", Local().channel(Mine()), Mine())

    return make


def test_the_tiny_model_is_of_the_version_of_all_others(tmp_path):
    tiny = onnx.load(write_tiny_model(tmp_path / "tiny.onnx"))
    for other in (empty(), tiny):
        assert (other.ir_version, [opset.version for opset in other.opset_import]) == (10, [20])


def test_a_runtime_that_reads_them_works(device):
    assert run_tiny_model(device(20, 10))["seconds"] == 0.001


@pytest.mark.parametrize(("opset", "ir_version"), [(19, 9), (19, 10), (20, 9), (17, 8)])
def test_an_old_onnxruntime_is_told_with_the_version_to_install(device, opset, ir_version):
    with refused("device.runs-no-model", DeviceError, device="board", version="1.16.3") as refusal:
        run_tiny_model(device(opset, ir_version))
    assert refusal.message.startswith("device board: ")
    reason = f"max supported IR version: {ir_version}" if ir_version < 10 else f"is till opset {opset}."
    assert reason in refusal.message
    assert "onnxruntime 1.16.3 there is too old: install 1.18 or later" in refusal.message


def test_another_runtime_that_does_not_read_them(device):
    with refused("device.runs-no-model", DeviceError, runtime="mine") as refusal:
        run_tiny_model(device(19, 9, "mine", "3"))
    assert "opset 20 and IR version 10, which mine 3 there has to run" in refusal.message


def test_the_reason_of_a_long_error_is_kept(device, model):
    with device(20, 9) as board, refused("model.does-not-run", reason="runtime") as refusal:
        board.load("a", model)
    assert refusal.message.endswith("Unsupported model IR version: 10, max supported IR version: 9")
    assert "Load model from" in refusal.message
    assert len(refusal.message) < 1000 + len(str(model))


@pytest.mark.parametrize("length", [1, 799, 800, 801, 10_000])
def test_words_that_are_repeated_have_an_end(length):
    words = "".join(chr(ord("a") + index % 26) for index in range(length))
    said = answers.printable(words)
    assert said == words if length <= 800 else said == f"{words[:200]} [...] {words[-600:]}"
