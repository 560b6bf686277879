"""`hwnas measure`: any ONNX file, with its memory and its operators; and files that do not run."""

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwnas.cli.measure import _breakdown
from hwnas.devices.base import Breakdown, Operator
from hwnas.devices.process import RunnerDevice
from hwnas.errors import DeviceError
from hwnas.space.zoo import mobilenet_v2


def model(path, shape=(1, 8), kind="Relu", domain="", place=None):
    """Write a model that is nobody's network: a multiplication, and one node of type `kind`."""
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weight = numpy_helper.from_array(np.eye(8, dtype=np.float32), "w")
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node(kind, ["h"], ["y"], domain=domain),
    ]
    graph = helper.make_graph(nodes, "g", [given], [made], [weight])
    opsets = [helper.make_opsetid(name, 17 if not name else 1) for name in {"", domain}]
    found = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(found, path, save_as_external_data=bool(place), location=place, size_threshold=0)
    return path


def test_any_model_is_told_with_memory_and_operators(hwnas, tmp_path):
    model(tmp_path / "any.onnx", ("batch", 8))
    code, out, _ = hwnas("measure", "any.onnx", "--json", "--time-limit", 1)
    found = json.loads(out)
    assert code == 0
    assert 0 < found["latency"]["low"] <= found["latency"]["ms"] <= found["latency"]["high"]
    assert found["latency"]["minimum"] <= found["latency"]["p50"] <= found["latency"]["p90"] <= found["latency"]["p99"]
    assert 0 <= found["latency"]["outliers"] < 1
    assert found["device"]["runtime"] == "onnxruntime"
    assert found["breakdown"]["peak_bytes"] > 0
    assert {operator["type"] for operator in found["breakdown"]["operators"]} == {"MatMul", "Relu"}
    assert isinstance(found["flags"], list)


def test_a_person_is_told_the_same(hwnas, tmp_path):
    (tmp_path / "net.json").write_text(json.dumps(mobilenet_v2(0.35, 10, 32).to_json()))
    code, out, _ = hwnas("measure", "net.json", "--time-limit", 1, "--operators", 1)
    assert code == 0
    for words in ("net.json: ", "95 %", "p50", "p90", "p99", "visits not counted", "memory: ", "MiB", "slowest 1 of"):
        assert words in out
    (row,) = [line for line in out.splitlines() if "Conv" in line]
    assert float(row.split("%")[0].split()[-1]) > 50


def test_a_batch_and_a_size_are_told(hwnas, tmp_path):
    model(tmp_path / "eight.onnx", (4, 8))
    found = onnx.load(tmp_path / "eight.onnx")
    found.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 4
    found.graph.output[0].type.tensor_type.shape.dim.add().dim_value = 8
    onnx.save(found, tmp_path / "eight.onnx")
    code, out, _ = hwnas("measure", "eight.onnx", "--time-limit", 0.5)
    assert code == 0
    assert "batch 4: " in out
    code, out, _ = hwnas("measure", "eight.onnx", "--time-limit", 0.5, "--json")
    found = json.loads(out)
    assert found["device"]["batch"] == 4
    assert found["ms_per_image"] == found["latency"]["ms"] / 4
    model(tmp_path / "free.onnx", ("batch", "width"))
    code, out, _ = hwnas("measure", "free.onnx", "--size", 8, "--time-limit", 0.5)
    assert code == 0
    assert "batch" not in out


def test_the_folder_of_a_search_or_training_is_its_network_with_random_weights(hwnas, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "net.json").write_text(json.dumps(mobilenet_v2(0.35, 10, 32).to_json()))
    code, out, _ = hwnas("measure", "run", "--time-limit", 0.5)
    assert code == 0
    assert "note: run/net.json is a network without its weights: they are random" in out
    model(tmp_path / "run" / "model.onnx")
    code, out, _ = hwnas("measure", "run", "--time-limit", 0.5, "--json")
    assert code == 0
    assert (json.loads(out)["model"], json.loads(out)["random_weights"]) == ("run/model.onnx", False)


def test_a_folder_without_a_network_is_one_line(refused, tmp_path):
    (tmp_path / "run").mkdir()
    assert "run holds neither model.onnx, as a bundle does, nor net.json" in refused("measure", "run")


def test_what_a_device_cannot_tell_is_said(hwnas, tmp_path, monkeypatch):
    def silent(self, path, repeats=10):
        raise DeviceError("no profile here")

    monkeypatch.setattr(RunnerDevice, "breakdown", silent)
    model(tmp_path / "any.onnx")
    code, out, _ = hwnas("measure", "any.onnx", "--time-limit", 1)
    assert code == 0
    assert "memory and operators: not told by this device (no profile here)" in out
    _, out, _ = hwnas("measure", "any.onnx", "--time-limit", 1, "--json")
    assert json.loads(out)["breakdown"] is None


def test_a_device_is_a_file_too(hwnas, tmp_path):
    (tmp_path / "mine.yaml").write_text("schema: 1\nname: mine\nruntime: {kind: onnxruntime, threads: 1}\n")
    model(tmp_path / "any.onnx")
    code, out, _ = hwnas("measure", "any.onnx", "--device", "mine.yaml", "--time-limit", 1, "--json")
    assert code == 0
    assert json.loads(out)["device"]["device"] == "mine"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": ("batch", "width")}, "input x of shape batchxwidth has a free size: say which to time by --size"),
        ({"kind": "Frobnicate"}, "does not run on device cpu"),
        ({"kind": "Frobnicate", "domain": "com.example"}, "does not run on device cpu"),
    ],
    ids=str,
)
def test_a_model_that_does_not_run_is_one_line(refused, tmp_path, options, message):
    model(tmp_path / "odd.onnx", **options)
    assert message in refused("measure", "odd.onnx")


def test_data_outside_the_folder_of_a_model_is_one_line(refused, tmp_path):
    path = model(tmp_path / "odd.onnx", place="odd.bin")
    found = onnx.load(path, load_external_data=False)
    (entry,) = [entry for entry in found.graph.initializer[0].external_data if entry.key == "location"]
    entry.value = "../odd.bin"
    path.write_bytes(found.SerializeToString())
    assert "its external data ../odd.bin lies outside its folder" in refused("measure", "odd.onnx")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("none.onnx", "none.onnx is not a file"),
        ("cut.json", "cut.json is not a whole network"),
        ("junk.onnx", "it is not an ONNX model"),
        ("any.onnx --device toaster", "no device 'toaster': there are cpu"),
        ("any.onnx --threads 0", "at least 1 thread"),
        ("any.onnx --precision 0", "must both be above 0"),
        ("any.onnx --operators -1", "--operators"),
    ],
)
def test_a_mistake_is_one_line(refused, tmp_path, words, message):
    model(tmp_path / "any.onnx")
    (tmp_path / "cut.json").write_text('{"schema": 1, "blocks": [')
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    assert message in refused("measure", *words.split())


def test_operators_are_called_the_slowest_where_some_are_left_out():
    ran = Breakdown((Operator("a", "MatMul", 2e-6), Operator("b", "Relu", 1e-6)))
    found = SimpleNamespace(breakdown=ran)
    assert ["slowest" in _breakdown(found, count)[1] for count in (1, 2, 3)] == [True, False, False]
