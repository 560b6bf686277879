"""Engines are built for every kind of block and for whole networks, without a GPU; what is done on one, on a fake."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from fake_cuda import FakeCuda, FakeTensorRT
from onnx import numpy_helper
from pydantic import ValidationError

from hwnas import devices
from hwnas.devices import tensorrt_backend
from hwnas.devices.spec import DeviceFile
from hwnas.devices.tensorrt import TensorRT, build_engine
from hwnas.latency.graph import empty, save
from hwnas.space import registry, zoo
from hwnas.space.net import Block
from hwnas.testing import refused

rtx = pytest.mark.skipif(
    find_spec("tensorrt_rtx") is None and not os.environ.get("HWNAS_REQUIRE_TENSORRT"),
    reason="tensorrt_rtx is not installed",
)

ACTS = ("relu", "relu6", "hswish", "swish")
BLOCKS = [
    *(Block("conv", 3, 16, 32, 32, 3, 2, act=act) for act in ("", *ACTS)),
    *(Block("mbconv", 8, 8, 14, 14, 5, expansion=3, se=se, act=act, residual=True) for act in ACTS for se in (0, 4)),
    *(Block("mbconv", 8, 16, 14, 14, 7, 2, expansion, act="relu6") for expansion in (1, 6)),
    *(Block("fbconv", 8, 8, 14, 14, 3, expansion=1, groups=g, act="relu", residual=True) for g in (1, 2)),
    Block("fbconv", 8, 16, 14, 14, 5, 2, expansion=6, groups=2, act="relu"),
    Block("classifier", 16, 10, 7, 7),
    Block("conv", 8, 8, 14, 14, 3, se=4, act="relu", residual=True),
    Block("mbconv", 8, 8, 14, 14, 3, mid=20, se=4, hard=True, act="hswish", residual=True, pooled=True),
    Block("fused", 8, 16, 14, 14, 3, 2, expansion=4, se=4, act="swish"),
    *(Block(op, 8, 8, 14, 14, 3, mid=6, act="relu") for op in ("shuffle", "xception")),
    *(Block(op, 8, 16, 14, 14, 3, 2, mid=6, act="relu") for op in ("shuffle", "xception")),
    *(Block(op, 8, 8, 14, 14, 3, stride) for op in ("avgpool", "maxpool") for stride in (1, 2)),
    *(Block("zero", 8, 8, 14, 14, stride=stride) for stride in (1, 2)),
    Block("classifier", 16, 10, 7, 7, mid=20, act="hswish"),
]
BLOCK = BLOCKS[8]


def networks():
    """Ten whole networks by name: MobileNetV2, and random ones of every space."""
    nets = {"mobilenet_v2": zoo.mobilenet_v2()}
    for name, count in (("proxyless", 3), ("proxyless-32", 4), ("fbnet", 2)):
        rng, space = np.random.default_rng(0), registry.get(name)
        nets |= {f"{name} {index}": space.derive(space.sample(rng)) for index in range(count)}
    return nets


def weight_bytes(path):
    """Bytes of the weights in an ONNX file."""
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(path).graph.initializer)


def malformed(engine):
    """Whether TensorRT-RTX, which cannot load it with no GPU, at least does not know the bytes for an engine."""
    trt, log = tensorrt_backend.tensorrt("tensorrt_rtx")
    _, reasons = trt.Runtime(log).get_engine_validity(engine)
    return bool(reasons & int(trt.EngineInvalidityDiagnostics.MALFORMED_ENGINE))


@rtx
def test_an_engine_is_told_from_other_bytes():
    assert malformed(b"x" * 10_000)


@rtx
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.key)
def test_blocks_become_engines(block, tmp_path):
    model = save(block, tmp_path / "model.onnx")
    engine = build_engine(model, tmp_path / "engine", capability="sm_89").read_bytes()
    assert len(engine) > weight_bytes(model)
    assert not malformed(engine)


@rtx
@pytest.mark.parametrize(("name", "net"), networks().items(), ids=networks())
def test_networks_become_engines(name, net, tmp_path):
    model = save(net, tmp_path / "model.onnx")
    precision = "float16" if name in ("mobilenet_v2", "proxyless 0", "fbnet 0") else "float32"
    engine = build_engine(model, tmp_path / "engine", precision=precision, capability="sm_120").read_bytes()
    scale = 0.5 if precision == "float16" else 1.0
    assert scale * weight_bytes(model) < len(engine) < 1.3 * scale * weight_bytes(model) + 2**20
    assert not malformed(engine)


@rtx
def test_an_engine_is_of_its_capability(tmp_path):
    model = save(BLOCK, tmp_path / "model.onnx")
    engines = [
        build_engine(model, tmp_path / "engine", capability=name).read_bytes() for name in ("sm_75", "sm_89", None)
    ]
    assert len(set(engines)) == 3


@rtx
def test_the_smallest_graph_becomes_an_engine(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(empty().SerializeToString())
    assert not malformed(build_engine(tmp_path / "empty.onnx", tmp_path / "engine").read_bytes())


@rtx
def test_a_capability_that_is_not_there(tmp_path):
    with refused("engine.unknown-capability", capability="sm_12345"):
        build_engine(save(BLOCK, tmp_path / "model.onnx"), tmp_path / "engine", capability="sm_12345")


def test_tensorrt_builds_for_no_other_gpu(tmp_path):
    with refused("engine.this-gpu-only", package="tensorrt", capability="sm_89"):
        build_engine(tmp_path / "model.onnx", tmp_path / "engine", package="tensorrt", capability="sm_89")


@rtx
def test_an_operator_that_is_not_there_is_named_and_nothing_written(tmp_path):
    model = onnx.load(save(BLOCK, tmp_path / "model.onnx"))
    model.graph.node[0].op_type = "Conundrum"
    onnx.save(model, tmp_path / "model.onnx")
    with refused("engine.not-built", path=str(tmp_path / "model.onnx")) as refusal:
        build_engine(tmp_path / "model.onnx", tmp_path / "engine")
    assert "operator Conundrum (conv_0)" in refusal.message
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@rtx
def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "model.onnx").write_text("no")
    with refused("engine.not-built", path=str(tmp_path / "model.onnx")):
        build_engine(tmp_path / "model.onnx", tmp_path / "engine")


@rtx
def test_an_input_of_free_size_is_refused(tmp_path):
    model = onnx.load(save(BLOCKS[0], tmp_path / "model.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    onnx.save(model, tmp_path / "model.onnx")
    with refused("engine.not-built", path=str(tmp_path / "model.onnx")):
        build_engine(tmp_path / "model.onnx", tmp_path / "engine")


def test_a_package_that_is_absent_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    tensorrt_backend.tensorrt.cache_clear()
    for capability in (None, "sm_89"):
        with refused("engine.package-absent", package="tensorrt-rtx"):
            build_engine(save(BLOCK, tmp_path / "model.onnx"), tmp_path / "engine", capability=capability)


def test_importing_the_runtime_loads_no_tensorrt():
    code = (
        "import sys, hwnas.devices.tensorrt; sys.exit(bool({'tensorrt', 'tensorrt_rtx', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_what_the_runner_is_given(tmp_path):
    model = save(BLOCK, tmp_path / "model.onnx")
    _, gpu, _, backend, package = TensorRT(package="tensorrt-rtx").command()
    assert (gpu, backend, package) == ("--gpu", Path(tensorrt_backend.__file__), "tensorrt_rtx")
    assert TensorRT().artifact(model, tmp_path) == model
    half = TensorRT(precision="float16").artifact(model, tmp_path)
    assert half.parent == tmp_path
    assert half.stat().st_size < model.stat().st_size
    with pytest.raises(ValidationError, match="precision"):
        TensorRT(precision="int8")


@pytest.fixture
def cuda(monkeypatch):
    """A fake GPU, with a fake TensorRT to load engines on it."""
    cuda = FakeCuda()
    monkeypatch.setattr(tensorrt_backend, "cudart", cuda)
    monkeypatch.setattr(tensorrt_backend, "tensorrt", lambda package: (FakeTensorRT(cuda), None))
    return cuda


def test_a_graph_is_captured_once_warm_and_timed_in_seconds(cuda):
    model = tensorrt_backend.Model(b"engine", "tensorrt")
    captured = cuda.done.index("StreamBeginCapture")
    assert cuda.done[captured - 1] == "StreamSynchronize"
    assert cuda.done[:captured].count("run") == tensorrt_backend.WARM_UP
    assert cuda.done[captured + 1 : captured + 3] == ["run", "StreamEndCapture"]
    before = len(cuda.done)
    assert model.time(3) == [1e-3] * 3
    timed = [name for name in cuda.done[before:] if name not in ("EventCreate", "EventElapsedTime", "EventDestroy")]
    assert timed == [*["EventRecord", "GraphLaunch", "EventRecord"] * 3, "StreamSynchronize"]
    model.close()
    assert cuda.held == set()


def test_a_model_that_fails_gives_its_memory_back(cuda):
    cuda.fails = "cudaGraphInstantiate"
    with pytest.raises(RuntimeError, match="cudaErrorUnknown"):
        tensorrt_backend.Model(b"engine", "tensorrt")
    assert cuda.done.count("Malloc") == 2
    assert cuda.held == set()


def test_layers_are_told_by_their_mean(cuda):
    model = tensorrt_backend.Model(b"engine", "tensorrt")
    assert model.layers(4) == {"conv + relu": 2e-3, "gemm": 1e-3}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")
@pytest.mark.parametrize("package", ["tensorrt", "tensorrt-rtx"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_network_is_timed_on_the_gpu(package, precision, tmp_path):
    pytest.importorskip(package.replace("-", "_"))
    runtime = {"kind": "tensorrt", "package": package, "precision": precision}
    file = DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": runtime}, "file")
    model = save(zoo.mobilenet_v2(), tmp_path / "model.onnx")
    with devices.build(file) as gpu:
        assert (gpu.info.runtime, gpu.info.precision) == (package, precision)
        gpu.load("net", model)
        (seconds,) = gpu.time([("net", 5)])
        told = gpu.breakdown(model)
        gpu.unload("net")
    assert seconds.shape == (5,)
    assert told.operators
    assert told.peak_bytes > weight_bytes(model) / 2
