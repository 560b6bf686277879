"""The backend of onnxruntime called as a module: the inputs that it makes, its times, and what operators take."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from hwnas.devices import onnxruntime_backend
from hwnas.devices.onnxruntime_backend import Backend, Model, memory, operator_seconds, random_array, random_input


def node(kind="float", shape=(1, 2), name="x"):
    return SimpleNamespace(name=name, type=f"tensor({kind})", shape=list(shape))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("float", "float32"), ("double", "float64"), ("int64", "int64"), ("bool", "bool"), ("bfloat16", "uint16")],
)
def test_an_input_is_of_its_type(kind, dtype):
    found = random_array(node(kind, (3, 4)), np.random.default_rng(0))
    assert (found.dtype, found.shape) == (np.dtype(dtype), (3, 4))


def test_whole_numbers_may_be_indices_and_bits_are_positive():
    rng = np.random.default_rng(0)
    assert set(random_array(node("int32", (50,)), rng)) == {0, 1}
    bits = random_array(node("float8e5m2", (50,)), rng)
    assert bits.dtype == np.uint8
    assert bits.min() >= 0x30
    assert bits.max() < 0x40
    upper = random_array(node("bfloat16", (50,)), rng).astype(np.uint32) << 16
    assert np.abs(upper.view(np.float32)).max() < 6


@pytest.mark.parametrize(
    ("shape", "batches", "made"),
    [
        ((None, 3), (), (1, 3)),
        (("n", 3), (), (1, 3)),
        ((2, "n"), ("n",), (2, 1)),
        ((-1, 3), (), (1, 3)),
        ((), (), ()),
    ],
)
def test_a_free_first_size_is_a_batch_of_one(shape, batches, made):
    assert random_array(node(shape=shape), np.random.default_rng(0), batches).shape == made


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (node("string"), "of which no input can be made"),
        (node(shape=(1, "width")), "has no fixed size to time"),
        (node(shape=(0, 3)), "has no fixed size to time"),
    ],
)
def test_an_input_that_cannot_be_made_is_named(given, words):
    with pytest.raises(ValueError, match=f"input x .*{words}"):
        random_array(given, np.random.default_rng(0))


def test_types_that_numpy_lacks_are_given_by_their_bits(monkeypatch):
    value = SimpleNamespace(ortvalue_from_numpy_with_onnx_type=lambda array, number: (array.dtype, number))
    monkeypatch.setattr(onnxruntime_backend.ort, "OrtValue", value)
    assert random_input(node("bfloat16"), np.random.default_rng(0), "cpu", ()) == (np.dtype("uint16"), 16)
    monkeypatch.setattr(onnxruntime_backend.ort, "OrtValue", SimpleNamespace())
    with pytest.raises(ValueError, match=r"takes from no array: install 1\.20"):
        random_input(node("bfloat16"), np.random.default_rng(0), "cpu", ())


def test_a_model_is_timed_and_its_operators_are_told(model):
    backend = Backend(1)
    assert (backend.runtime, backend.place) == ("onnxruntime", "cpu")
    times = backend.load(str(model)).time(3)
    assert len(times) == 3
    assert min(times) > 0
    told = backend.breakdown(str(model), 2)
    assert [operator["type"] for operator in told["operators"]].count("Conv") == 3
    assert told["peak_bytes"] is None or told["peak_bytes"] >= 0


def test_memory_that_is_not_told_is_none(model, monkeypatch):
    monkeypatch.setattr(onnxruntime_backend, "memory", lambda name: None)
    assert Backend(1).breakdown(str(model), 1)["peak_bytes"] is None


def test_memory_is_read_as_the_operating_system_tells_it(tmp_path, monkeypatch):
    status = tmp_path / "status"
    monkeypatch.setattr(onnxruntime_backend, "open", lambda _: status.open(), raising=False)
    assert memory("VmHWM") is None
    status.write_text("VmPeak:\t  10 kB\nVmHWM:\t  12 kB\n")
    assert memory("VmHWM") == 12 * 1024
    assert memory("VmRSS") is None


def test_a_provider_that_is_not_there_is_refused(model, monkeypatch):
    monkeypatch.setattr(onnxruntime_backend.ort, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(RuntimeError, match="has no CUDAExecutionProvider: pip install onnxruntime-gpu"):
        Backend(4, "cuda")
    session = SimpleNamespace(get_providers=lambda: ["CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime_backend.ort, "InferenceSession", lambda *_, **options: session)
    with pytest.raises(ValueError, match="cannot use CUDAExecutionProvider here"):
        Model(str(model), 1, "CUDAExecutionProvider", "cuda")


def test_operators_are_told_on_the_cpu_only(model, monkeypatch):
    monkeypatch.setattr(onnxruntime_backend.ort, "get_available_providers", lambda: ["TensorrtExecutionProvider"])
    backend = Backend(4, "tensorrt")
    assert (backend.runtime, backend.threads, backend.place) == ("onnxruntime-tensorrt", 1, "cuda")
    with pytest.raises(ValueError, match="on the CPU only"):
        backend.breakdown(str(model), 1)


def test_an_operator_takes_the_mean_of_its_runs_but_the_first():
    events = json.loads(
        """[{"cat": "Session", "name": "model_run", "dur": 9},
        {"cat": "Node", "name": "a_fence_before", "dur": 9, "args": {"op_name": "Conv"}},
        {"cat": "Node", "name": "a_kernel_time", "dur": 900, "args": {"op_name": "Conv", "node_index": "0"}},
        {"cat": "Node", "name": "a_kernel_time", "dur": 10, "args": {"op_name": "Conv", "node_index": "0"}},
        {"cat": "Node", "name": "a_kernel_time", "dur": 30, "args": {"op_name": "Conv", "node_index": "0"}}]"""
    )
    (found,) = operator_seconds(events, 2)
    assert found == {"name": "a", "type": "Conv", "seconds": pytest.approx(20e-6)}
