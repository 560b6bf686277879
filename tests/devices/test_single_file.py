"""ONNX files as they are sent: in one piece, and nothing of another's with them."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwnas import devices
from hwnas.devices.single_file import single_file
from hwnas.testing import refused


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    return tmp_path / "model"


def gemm(folder, place=None):
    """A model of one matrix, which is in the file `place` of its folder if one is named."""
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in "xy")
    weight = numpy_helper.from_array(np.eye(16, dtype=np.float32), "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [given], [made], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / "model.onnx"
    onnx.save(model, path, save_as_external_data=bool(place), location=place, size_threshold=0)
    return path


def moved(path, place, key="location"):
    """`path` with its external data said to be at `place`."""
    model = onnx.load(path, load_external_data=False)
    (entry,) = [entry for entry in model.graph.initializer[0].external_data if entry.key == key]
    entry.value = place
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_that_holds_everything_is_itself(folder, tmp_path):
    path = gemm(folder)
    assert single_file(path, tmp_path) == path


def test_external_data_is_taken_in(folder, tmp_path):
    path = gemm(folder, "weights.bin")
    copy = single_file(path, tmp_path)
    assert copy.parent == tmp_path
    (weight,) = onnx.load(copy, load_external_data=False).graph.initializer
    assert (numpy_helper.to_array(weight) == np.eye(16)).all()
    with devices.get("cpu") as cpu:
        cpu.load("model", path)
        assert cpu.time([("model", 2)])[0].shape == (2,)


@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("../secret.bin", "outside"),
        ("/etc/hostname", "outside"),
        ("link.bin", "outside"),
        ("absent.bin", "absent"),
        ("inner/../../secret.bin", "outside"),
        ("a\nb\x1b[2J", "absent"),
        ("x" * 5000, "no-name"),
        ("a\0b", "no-name"),
    ],
)
def test_external_data_elsewhere_is_refused(folder, tmp_path, place, what):
    (tmp_path / "secret.bin").write_bytes(bytes(1024))
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    path = moved(gemm(folder, "weights.bin"), place)
    with refused("model.external-data", what=what) as refusal:
        single_file(path, tmp_path)
    assert "\x1b" not in refusal.message
    with devices.get("cpu") as cpu:
        with refused("model.does-not-run", path=str(path), device="cpu", reason="model.external-data"):
            cpu.load("model", path)
        cpu.state()  # nothing was asked of the runner, which goes on


@pytest.fixture
def elsewhere():
    """A tensor whose data is in a file outside the model's folder."""
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [1], bytes(4), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret.bin")
    return tensor


def test_external_data_of_a_function_is_found(folder, tmp_path, elsewhere):
    constant, opsets = helper.make_node("Constant", [], ["y"], value=elsewhere), [helper.make_opsetid("", 17)]
    function = helper.make_function("own", "f", [], ["y"], [constant], opsets)
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("f", [], ["y"], domain="own")], "g", [], [made])
    (folder / "model.onnx").write_bytes(helper.make_model(graph, functions=[function]).SerializeToString())
    with refused("model.external-data", what="outside"):
        single_file(folder / "model.onnx", tmp_path)


def test_external_data_of_a_constant_inside_a_branch_is_found(folder, tmp_path, elsewhere):
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Constant", [], ["y"], value=elsewhere)], "b", [], [made])
    condition = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "g", [condition], [made])
    (folder / "model.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with refused("model.external-data", what="outside"):
        single_file(folder / "model.onnx", tmp_path)


def test_data_that_is_too_short_is_refused(folder, tmp_path):
    path = gemm(folder, "weights.bin")
    (folder / "weights.bin").write_bytes(b"short")
    with refused("model.external-data", what="unreadable"):
        single_file(path, tmp_path)


@pytest.mark.parametrize("offset", ["-1", "far"])
def test_an_offset_that_cannot_be_is_refused(folder, tmp_path, offset):
    path = moved(gemm(folder, "weights.bin"), offset, "offset")
    with refused("model.external-data", what="unreadable"):
        single_file(path, tmp_path)


def test_what_is_no_model_is_refused(tmp_path):
    for name in ("text.onnx", "text.json"):
        (tmp_path / name).write_text("not a model")
        with refused("model.not-onnx", path=str(tmp_path / name)):
            single_file(tmp_path / name, tmp_path)
    with refused("model.unreadable", path=str(tmp_path / "absent.onnx")):
        single_file(tmp_path / "absent.onnx", tmp_path)
