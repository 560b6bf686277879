"""Inputs of every type and shape: timed at the batch that the model has, or refused for what is wrong with them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwnas import devices
from hwnas.devices import onnxruntime_backend
from hwnas.devices.model_inputs import batch_of, fix_sizes
from hwnas.devices.spec import DeviceFile
from hwnas.pipeline.measure import measure
from hwnas.testing import refused


def model(path, shape, kind=TensorProto.FLOAT, out=None, other=None):
    """Write a model that turns `x` into float numbers and negates them; `other` is the shape of a second input."""
    given = [helper.make_tensor_value_info("x", kind, shape)]
    nodes = [helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT), helper.make_node("Neg", ["h"], ["y"])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)]
    if other is not None:
        given.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, other))
        nodes.append(helper.make_node("Neg", ["z"], ["w"]))
        made.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, None))
    weight = numpy_helper.from_array(np.zeros((0,), np.float32), "unused")  # no input, whatever its shape
    given.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, [0]))
    graph = helper.make_graph(nodes, "g", given, made, [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


NUMBERS = ("FLOAT", "FLOAT16", "DOUBLE", "BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "BOOL")
WHOLE = ("UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64")


@pytest.fixture(scope="module")
def cpu():
    with devices.get("cpu") as device:
        yield device


@pytest.mark.parametrize("name", [*NUMBERS, *WHOLE])
def test_numbers_of_every_type_are_timed(cpu, tmp_path, name):
    cpu.load("a", model(tmp_path / "a.onnx", ["N", 3], getattr(TensorProto, name)))
    assert cpu.time([("a", 3)])[0].shape == (3,)
    cpu.unload("a")


@pytest.mark.parametrize("name", ["BOOL", "UINT16", "FLOAT16"])
def test_int8_takes_other_types_too(tmp_path, name):
    made = DeviceFile.parse({"schema": 1, "name": "d", "runtime": {"kind": "onnxruntime", "precision": "int8"}}, "test")
    with devices.build(made) as device:
        device.load("a", model(tmp_path / "a.onnx", ["N", 3], getattr(TensorProto, name)))


def test_values_are_neither_all_zero_nor_strange():
    rng = np.random.default_rng(0)

    class Node:
        name, shape, type = "x", [None, 200], "tensor(bfloat16)"

    bits = onnxruntime_backend.random_array(Node, rng)
    values = (bits.astype(np.uint32) << 16).view(np.float32)
    assert (bits.shape, bits.dtype) == ((1, 200), np.uint16)
    assert 0.8 < values.std() < 1.2
    for Node.type, kinds in (("tensor(bool)", {False, True}), ("tensor(uint16)", {0, 1})):
        assert set(onnxruntime_backend.random_array(Node, rng).ravel().tolist()) == kinds


def test_a_text_is_refused_for_its_type(cpu, tmp_path):
    with refused("model.does-not-run", reason="runtime") as refusal:
        cpu.load("a", model(tmp_path / "a.onnx", [1, 3], TensorProto.STRING))
    assert "input x is of type tensor(string)" in refusal.message


@pytest.mark.parametrize(
    ("shape", "reason", "words"),
    [
        (None, "model.no-shape", "input x has no shape"),
        ([0, 3], "model.empty-input", "input x of shape 0x3 holds nothing: it has a dimension of 0"),
        (["N", 3, 0], "model.empty-input", "input x of shape Nx3x0 holds nothing"),
        (
            ["N", 3, "H", "W"],
            "model.free-size",
            "input x of shape Nx3xHxW has a free size: say which to time by --size",
        ),
        (["N", 3, -1], "model.free-size", "input x of shape Nx3x? has a free size"),
    ],
)
def test_what_cannot_be_timed_is_refused_for_its_shape(cpu, tmp_path, shape, reason, words):
    with refused("model.does-not-run", reason=reason) as refusal:
        cpu.load("a", model(tmp_path / "a.onnx", shape))
    assert words in refusal.message


def test_what_is_no_tensor_is_refused_for_that(cpu, tmp_path):
    given = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    node = helper.make_node("SequenceLength", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [given], [helper.make_tensor_value_info("y", TensorProto.INT64, [])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), tmp_path / "a.onnx")
    with refused("model.does-not-run", reason="model.no-tensor") as refusal:
        cpu.load("a", tmp_path / "a.onnx")
    assert "is no tensor but a sequence" in refusal.message


@pytest.mark.parametrize("shape", [["N", 3], [-1, 3], ["N", "N"], [], [4]], ids=str)
def test_a_free_batch_is_one_wherever_it_stands(cpu, tmp_path, shape):
    cpu.load("a", model(tmp_path / "a.onnx", shape))
    cpu.unload("a")


@pytest.mark.parametrize(
    ("options", "batch"),
    [
        ({"shape": [8, 3, 16, 16]}, 8),
        ({"shape": ["N", 3, 16, 16]}, 1),
        ({"shape": [1, 3, 16, 16]}, 1),
        ({"shape": [8, 16], "out": [8, 16]}, 8),
        ({"shape": [8, 16], "out": [16]}, 1),
        ({"shape": [8, 16], "out": None}, 1),
        ({"shape": [3, 16, 16], "out": [3, 16, 16]}, 3),
        ({"shape": [8, 3, 16, 16], "other": [8, 3, 4, 4]}, 8),
        ({"shape": [8, 3, 16, 16], "other": [2, 3, 4, 4]}, 1),
        ({"shape": [8, 3, 16, 16], "other": [5]}, 8),
        ({"shape": [5]}, 1),
        ({"shape": []}, 1),
    ],
    ids=str,
)
def test_the_batch_of_a_model(tmp_path, options, batch):
    assert batch_of(model(tmp_path / "a.onnx", **options)) == batch


def test_a_fixed_batch_is_told_with_the_time_of_an_image(tmp_path):
    found = measure(model(tmp_path / "a.onnx", [8, 3, 16, 16]), time_limit=0.3, progress=None)
    assert found.device.batch == 8
    assert found.ms_per_image == found.latency.ms / 8


def test_a_size_takes_the_place_of_free_ones_but_of_the_batch(tmp_path):
    path = model(tmp_path / "a.onnx", ["N", 3, "H", "W"], other=[2, "H", "N"])
    fixed = onnx.load(fix_sizes(path, 32, tmp_path))
    shapes = [[dim.dim_value or dim.dim_param for dim in x.type.tensor_type.shape.dim] for x in fixed.graph.input[:2]]
    assert shapes == [["N", 3, 32, 32], [2, 32, "N"]]
    with refused("measure.target"), pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        measure("absent.onnx", size=32)


def test_more_pixels_take_longer(tmp_path):
    path = model(tmp_path / "a.onnx", ["N", 3, "H", "W"])
    small, large = (measure(path, size=size, time_limit=0.3, progress=None).latency.ms for size in (8, 512))
    assert small < large


def test_a_size_that_has_no_place(tmp_path):
    path = model(tmp_path / "a.onnx", ["N", 3, 16, 16])
    with refused("model.no-free-size", path=str(path), size=32) as refusal:
        measure(path, size=32)
    assert "its inputs are x Nx3x16x16" in refusal.message
    with refused("model.size", size=0):
        measure(path, size=0)
