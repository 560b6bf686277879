"""What the torch runner does on a GPU, in order, with stand-ins for torch's CUDA graphs: a launch takes 1 ms."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch

from hwnas.devices import torch_backend
from hwnas.devices.torch_backend import WARM_UP, Backend, Model, Network, gemm, reduce_mean
from hwnas.latency.graph import save
from hwnas.space.net import Block


class Graph:
    """Stands for `torch.cuda.CUDAGraph`."""

    launches, kept = 0, 0

    def __init__(self):
        Graph.kept += 1

    def replay(self):
        Graph.launches += 1

    def reset(self):
        Graph.kept -= 1


class Event:
    """Stands for `torch.cuda.Event`: the moment is the number of launches."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.moment = Graph.launches

    def elapsed_time(self, other):
        return float(other.moment - self.moment)


class Stream:
    def wait_stream(self, other):
        assert isinstance(other, Stream)


@contextmanager
def entered(_):
    yield


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that computes on the CPU."""
    Graph.launches = Graph.kept = 0
    stand_ins = {
        "is_available": lambda: True,
        "get_device_name": lambda _: "A GPU",
        "get_device_properties": lambda _: SimpleNamespace(uuid="12-34"),
        "memory_allocated": lambda: 100,
        "max_memory_allocated": lambda: 350,
        "reset_peak_memory_stats": lambda: None,
        "synchronize": lambda: None,
        "current_stream": Stream,
        "stream": entered,
        "graph": entered,
        "Stream": Stream,
        "Event": Event,
        "CUDAGraph": Graph,
    }
    for name, value in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    monkeypatch.setattr(torch_backend, "Network", lambda path, device, dtype: Network(path, "cpu", dtype))
    return torch.cuda


def test_a_run_is_warmed_up_captured_once_and_timed_by_events(gpu):
    runs = []
    model = Model(lambda: runs.append(1))
    assert len(runs) == WARM_UP + 1
    assert model.time(3) == [1e-3] * 3
    assert (Graph.launches, Graph.kept) == (3, 1)
    model.close()
    assert (Graph.kept, model.run) == (0, None)


def test_the_backend_tells_the_gpu_and_times_a_model_on_it(gpu, tmp_path):
    backend = Backend(1, "float16")
    assert (backend.name, backend.gpu, backend.runtime) == ("A GPU", "GPU-12-34", "torch-cuda")
    assert (backend.dtype, torch.backends.cudnn.benchmark) == (torch.float16, True)
    model = Backend(1, "float32").load(save(Block("conv", 4, 4, 6, 6, 3), tmp_path / "model.onnx"))
    assert model.time(2) == [1e-3, 1e-3]


def test_each_node_is_timed_in_a_graph_of_its_own(gpu, tmp_path):
    path = save(Block("conv", 4, 4, 6, 6, 3, act="relu"), tmp_path / "model.onnx")
    told = Backend(1, "float32").breakdown(path, 2)
    assert [(operator["type"], operator["seconds"]) for operator in told["operators"]] == [
        ("Conv", 1e-3),
        ("Relu", 1e-3),
    ]
    assert told["peak_bytes"] == 250
    assert (Graph.launches, Graph.kept) == (4, 0)


def test_a_machine_without_a_gpu_is_told(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="no CUDA GPU here"):
        Backend(1, "float32")


def test_a_mean_over_no_axes_is_of_all_or_of_nothing():
    x = torch.arange(6.0).reshape(2, 3)
    assert reduce_mean(x, [], noop_with_empty_axes=1) is x
    assert reduce_mean(x).tolist() == [[2.5]]


def test_a_product_without_a_third_matrix_is_one():
    x = torch.eye(2) * 3
    assert gemm(x, x).tolist() == [[9, 0], [0, 9]]
    assert gemm(x, x, torch.ones(2)).tolist() == [[10, 1], [1, 10]]


def test_a_model_of_two_inputs_is_refused(tmp_path):
    path = save(Block("add", 4, 4, 6, 6, fan_in=2), tmp_path / "model.onnx")
    with pytest.raises(ValueError, match="one input and one output"):
        Network(path, "cpu", torch.float32)
