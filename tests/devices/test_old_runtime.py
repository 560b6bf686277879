"""A runtime that is too old for the models of hwnas: told when the device is tried out, with the reason whole."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from hwnas.devices import answers
from hwnas.devices.local import Local
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.process import RunnerDevice
from hwnas.devices.tiny_model import run_tiny_model, write_tiny_model
from hwnas.errors import DeviceError
from hwnas.latency.graph import empty, save
from hwnas.space.net import Block, Net
from hwnas.testing import refused

BACKEND = '''
import onnx

class Backend:
    """As onnxruntime reads models: up to a version of them."""

    runtime, version = "{runtime}", "{version}"

    def __init__(self, threads, *arguments):
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

    def make(newest, ir_version, runtime="onnxruntime", version="1.16.3", **fields):
        text = BACKEND.format(runtime=runtime, version=version, opset=newest, ir_version=ir_version)
        (tmp_path / "backend.py").write_text(text)

        class Mine(OnnxRuntime):
            backend: ClassVar[Path] = tmp_path / "backend.py"

        return RunnerDevice("board", Local().channel(Mine(**fields)), Mine(**fields))

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


@pytest.mark.parametrize(
    ("version", "opset"),
    [("1.17.3", 20), ("1.16.3", 19), ("1.15.0", 19), ("1.14.1", 18), ("1.13.1", 17), ("1.8.0", 14), ("1.7.0", None)],
)
def test_an_older_opset_is_offered(device, version, opset):
    with refused("device.runs-no-model") as refusal:
        run_tiny_model(device(14, 8, version=version))
    assert (f"or set 'opset: {opset}'" in refusal.message) == (opset is not None)
    assert ("or set" in refusal.message) == (opset is not None)


@pytest.mark.parametrize(("opset", "ir_version"), [(20, 9), (19, 9), (18, 8), (17, 8), (15, 8)])
def test_an_older_opset_is_written_where_the_file_says_so(device, model, opset, ir_version):
    old = device(opset, ir_version, opset=opset)
    assert run_tiny_model(old)["seconds"] == 0.001
    with old:
        old.load("a", model)


BLOCKS = (
    Block("conv", 3, 8, 16, 16, 3, 2, act="hswish"),
    Block("mbconv", 8, 8, 8, 8, 3, expansion=2, se=4, hard=True, act="relu6", residual=True),
    Block("shuffle", 8, 16, 8, 8, 3, 2, mid=6, act="relu"),
    Block("maxpool", 16, 16, 4, 4, 3, 2),
    Block("classifier", 16, 5, 2, 2),
)


@pytest.mark.parametrize("opset", range(14, 21))
def test_an_older_opset_computes_the_same(tmp_path, tmp_path_factory, opset):
    path = save(Net(BLOCKS, "net"), tmp_path / "net.onnx")
    other = OnnxRuntime(opset=opset).artifact(path, tmp_path)
    assert [known.version for known in onnx.load(other).opset_import] == [opset]
    assert other.read_bytes() == OnnxRuntime(opset=opset).artifact(path, tmp_path_factory.mktemp("again")).read_bytes()
    images = np.random.default_rng(0).standard_normal((2, 3, 16, 16), np.float32)
    first, second = (onnxruntime.InferenceSession(str(one)).run(None, {"images": images})[0] for one in (path, other))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("opset", [17, 19])
def test_int8_is_of_the_older_opset_too(tmp_path, opset):
    path = save(Net(BLOCKS, "net"), tmp_path / "net.onnx")
    found = onnx.load(OnnxRuntime(opset=opset, precision="int8").artifact(path, tmp_path))
    assert {known.domain: known.version for known in found.opset_import} == {"": opset}
    assert found.ir_version <= 9
    assert "QuantizeLinear" in {node.op_type for node in found.graph.node}


def test_a_model_that_is_old_enough_is_left_as_it_is(tmp_path):
    path = save(BLOCKS[0], tmp_path / "block.onnx")
    older = OnnxRuntime(opset=17).artifact(path, tmp_path)
    assert older != path
    assert OnnxRuntime(opset=18).artifact(older, tmp_path) == older
    assert OnnxRuntime().artifact(path, tmp_path) == path


def test_an_operator_that_an_older_opset_has_not(tmp_path):
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Gelu", ["x"], ["y"])], "g", [given], [made])
    path = tmp_path / "gelu.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    with refused("model.no-older-opset", opset=17):
        OnnxRuntime(opset=17).artifact(path, tmp_path)


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
