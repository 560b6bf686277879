"""ONNX files read without the values of their weights."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from hwnas.devices.onnx_bytes import read_without_weights
from hwnas.latency.graph import save
from hwnas.space.net import Block

BLOCK = Block("mbconv", 8, 8, 6, 6, 3, expansion=2, se=4, act="hswish", residual=True)


@pytest.fixture
def path(tmp_path):
    """A model with a constant inside a node, which is not among its initializers, and text and numbers beside."""
    model = onnx.load(save(BLOCK, tmp_path / "model.onnx"))
    constant = numpy_helper.from_array(np.arange(300, dtype=np.float32), "kept")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["kept"], value=constant))
    model.producer_name, model.graph.doc_string, model.model_version = "somebody", "ä" * 200, 2**40
    onnx.save(model, tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def without_raw_values(data):
    model = onnx.ModelProto.FromString(data)
    for tensor in model.graph.initializer:
        tensor.ClearField("raw_data")
    return model


def test_all_but_the_raw_values_of_initializers_is_read(path):
    assert all(tensor.raw_data for tensor in onnx.load(path).graph.initializer)
    assert read_without_weights(path) == without_raw_values(path.read_bytes())


def test_where_a_file_is_cut_nothing_is_guessed(path):
    whole = path.read_bytes()
    for size in range(1, len(whole), 5):
        path.write_bytes(whole[:size])
        found = read_without_weights(path)
        assert found is None or found == without_raw_values(whole[:size])


@pytest.mark.parametrize("words", [b"<html>", b"\x0b\x0c", b"\xff" * 40, b"\x3a\x05abc"], ids=repr)
def test_what_is_no_model_is_left_to_others(path, words):
    path.write_bytes(words)
    assert read_without_weights(path) is None
