"""ONNX models and device descriptions at their edges."""

from types import SimpleNamespace

import onnx
import pytest
from onnx import TensorProto, helper

from hwnas import devices
from hwnas.devices import float16, older_opset, single_file
from hwnas.devices.perf_test import PerfTestChannel
from hwnas.devices.spec import DeviceFile
from hwnas.devices.tiny_model import run_tiny_model
from hwnas.errors import DeviceError, InputError
from hwnas.testing import refused


def values(*names):
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in names]


def model_of(nodes, given, made, **options):
    graph = helper.make_graph(nodes, "g", given, made)
    return helper.make_model(graph, ir_version=8, **options)


OPSETS = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1), helper.make_opsetid("unused", 1)]


def test_a_domain_inside_a_branch_is_in_use(tmp_path):
    branch = helper.make_graph([helper.make_node("Own", [], ["y"], domain="own")], "b", [], values("y"))
    node = helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)
    given = [helper.make_tensor_value_info("c", TensorProto.BOOL, [])]
    onnx.save(model_of([node], given, values("z"), opset_imports=OPSETS), tmp_path / "if.onnx")
    found = onnx.load(older_opset.rewrite(tmp_path / "if.onnx", 17, tmp_path / "out.onnx"))
    assert [known.domain for known in found.opset_import] == ["", "own"]


def test_a_model_with_functions_keeps_every_domain(tmp_path):
    add = helper.make_node("Add", ["x", "x"], ["y"])
    function = helper.make_function("own", "Twice", ["x"], ["y"], [add], OPSETS[:1])
    node = helper.make_node("Twice", ["x"], ["y"], domain="own")
    made = model_of([node], values("x"), values("y"), opset_imports=OPSETS, functions=[function])
    onnx.save(made, tmp_path / "f.onnx")
    assert older_opset.rewrite(tmp_path / "f.onnx", 17, tmp_path / "out.onnx") == tmp_path / "f.onnx"


def test_a_cast_to_float32_is_one_to_float16(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["i"], to=TensorProto.INT32),
        helper.make_node("Cast", ["i"], ["y"], to=TensorProto.FLOAT),
    ]
    onnx.save(model_of(nodes, values("x"), values("y"), opset_imports=OPSETS[:1]), tmp_path / "cast.onnx")
    found = onnx.load(float16.to_float16(tmp_path / "cast.onnx", tmp_path / "half.onnx"))
    kinds = [node.attribute[0].i for node in found.graph.node]
    assert kinds == [TensorProto.FLOAT16, TensorProto.INT32, TensorProto.FLOAT16, TensorProto.FLOAT]


@pytest.fixture
def outside(tmp_path):
    """A model whose weight is in a file beside it."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], bytes(4), raw=True)
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", values("x"), values("y"), [tensor])
    path = tmp_path / "model.onnx"
    made = helper.make_model(graph)
    onnx.save(made, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_weights_that_fit_no_file_are_refused(outside, tmp_path, monkeypatch):
    monkeypatch.setattr(single_file, "LARGEST", 3)
    with refused("model.too-large", path=str(outside)):
        single_file.single_file(outside, tmp_path / "out")


def test_data_that_onnx_does_not_take_in_is_refused(outside, tmp_path, monkeypatch):
    monkeypatch.setattr(single_file, "load_external_data_for_model", lambda *_: None)
    with refused("model.external-data", what="misplaced"):
        single_file.single_file(outside, tmp_path / "out")


def test_a_device_without_threads_takes_one_and_no_more():
    gpu = DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": {"kind": "torch-cuda"}}, "gpu.yaml")
    assert devices._with_threads(gpu, 1) is gpu
    with refused("device.threads", device="gpu", threads=2):
        devices._with_threads(gpu, 2)


def test_a_device_that_breaks_while_it_is_tried_out_is_not_said_to_lack_a_version():
    def load(key, path):
        raise InputError("no room", code="file.not-written")

    class Full(SimpleNamespace):
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    with refused("file.not-written"):
        run_tiny_model(Full(load=load))


def test_a_program_whose_build_cannot_be_told_is_refused():
    phone = SimpleNamespace(shell=lambda command, *_: (0, "no such applet\n"))
    channel = object.__new__(PerfTestChannel)
    channel.phone, channel._program = phone, "/data/perf_test"
    with refused("device.answer", DeviceError, what="sha256sum"):
        channel._begin()
