"""A model converted to float16 is the same function, and is used as before."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper

from hwnas.devices.float16 import to_float16
from hwnas.latency.graph import save
from hwnas.space.net import Block
from hwnas.testing import refused

BLOCK = Block("mbconv", 8, 8, 10, 10, 3, expansion=4, se=4, act="relu6", residual=True)


def run(path, images):
    return ort.InferenceSession(path).run(None, {"images": images})[0]


def test_the_function_stays(tmp_path):
    source = save(BLOCK, tmp_path / "model.onnx")
    images = np.random.default_rng(0).standard_normal((2, 8, 10, 10)).astype(np.float32)
    wanted, found = run(source, images), run(to_float16(source, tmp_path / "half.onnx"), images)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - wanted).max() < 5e-3 * np.abs(wanted).max()


SHUFFLE = Block("shuffle", 8, 8, 10, 10, 3, mid=4, act="relu")
ZERO = Block("zero", 8, 8, 10, 10, stride=2)


@pytest.mark.parametrize("block", [BLOCK, SHUFFLE, ZERO], ids=lambda block: block.op)
def test_all_inside_is_float16(block, tmp_path):
    model = onnx.load(to_float16(save(block, tmp_path / "model.onnx"), tmp_path / "half.onnx"))
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    types = {value.type.tensor_type.elem_type for value in inferred.graph.value_info}
    assert types - {TensorProto.INT64} == {TensorProto.FLOAT16}, "but for shapes"
    assert TensorProto.FLOAT not in {tensor.data_type for tensor in model.graph.initializer}


def test_a_weight_out_of_range_is_the_largest(tmp_path):
    model = onnx.load(save(BLOCK, tmp_path / "model.onnx"))
    (six,) = (tensor for tensor in model.graph.initializer if tensor.name == "six")
    six.CopyFrom(onnx.numpy_helper.from_array(np.float32(1e9), "six"))
    onnx.save(model, tmp_path / "model.onnx")
    half = onnx.load(to_float16(tmp_path / "model.onnx", tmp_path / "half.onnx"))
    (six,) = (tensor for tensor in half.graph.initializer if tensor.name == "six")
    assert onnx.numpy_helper.to_array(six) == np.finfo(np.float16).max


def test_a_graph_inside_an_operator_is_refused(tmp_path):
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "inner", [], [made])
    node = helper.make_node("If", ["yes"], ["z"], then_branch=inner, else_branch=inner)
    given = [
        helper.make_tensor_value_info("yes", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]),
    ]
    out = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])
    onnx.save(helper.make_model(helper.make_graph([node], "outer", given, [out])), tmp_path / "if.onnx")
    with refused("model.no-float16", operator="If"):
        to_float16(tmp_path / "if.onnx", tmp_path / "half.onnx")
    assert not (tmp_path / "half.onnx").exists()
