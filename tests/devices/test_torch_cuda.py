"""The torch runner gives what onnxruntime gives, on a CPU; timing it needs a GPU."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from hwnas import devices
from hwnas.devices.spec import DeviceFile
from hwnas.devices.torch_backend import Network
from hwnas.devices.torch_cuda import TorchCuda
from hwnas.latency.graph import empty, save
from hwnas.space import registry, zoo
from hwnas.space.net import Block

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU here")

PARTS = {
    "mobilenet_v2": zoo.mobilenet_v2(),
    **{
        name: registry.get(name).derive(registry.get(name).sample(np.random.default_rng(0)))
        for name in ("proxyless-32", "fbnet")
    },
    **{
        act: Block("mbconv", 8, 8, 14, 14, 5, expansion=3, se=4, act=act, residual=True)
        for act in ("relu", "relu6", "hswish", "swish")
    },
}


def one_node(path, node, given, *weights):
    """Write a model of one node from x of shape `given`, to y."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, given)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(np.asarray(value), f"w{index}") for index, value in enumerate(weights)]
    graph = helper.make_graph([node], "one", [x], [y], initializers)
    opsets = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def both(path, batch=1):
    """What the runner's network gives for random images, and what onnxruntime does."""
    network = Network(path, "cpu", torch.float32)
    x = torch.randn((batch, *network.shape[1:]), generator=torch.Generator().manual_seed(1))
    session = ort.InferenceSession(path)
    (wanted,) = session.run(None, {network.input: x.numpy()})
    return network(x).numpy(), wanted


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_networks_and_blocks_are_the_same_function(part, tmp_path):
    for batch in (1, 2):
        found, wanted = both(save(part, tmp_path / "model.onnx"), batch)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * np.abs(wanted).max())


def test_the_smallest_graph_is_the_same_function(tmp_path):
    (tmp_path / "empty.onnx").write_bytes(empty().SerializeToString())
    np.testing.assert_array_equal(*both(tmp_path / "empty.onnx"))


RNG = np.random.default_rng(0)
CONV = RNG.standard_normal((6, 2, 3, 3)).astype(np.float32)
MATRIX = RNG.standard_normal((4, 5)).astype(np.float32)
NODES = {
    "uneven pads": (helper.make_node("Conv", ["x", "w0"], ["y"], pads=[1, 0, 2, 1], group=2), [1, 4, 9, 8], CONV),
    "dilated": (helper.make_node("Conv", ["x", "w0"], ["y"], dilations=[2, 2], group=2), [1, 4, 9, 8], CONV),
    "auto_pad": (helper.make_node("Conv", ["x", "w0"], ["y"], auto_pad="NOTSET", group=2), [1, 4, 9, 8], CONV),
    "gemm scaled": (helper.make_node("Gemm", ["x", "w0"], ["y"], alpha=0.5, transA=1), [4, 3], MATRIX),
    "gemm with c": (helper.make_node("Gemm", ["x", "w0", "w1"], ["y"], beta=2.0), [3, 4], MATRIX, MATRIX[:1]),
    "clip above": (helper.make_node("Clip", ["x", "", "w0"], ["y"]), [3, 4], np.float32(0.1)),
    "mean of all": (helper.make_node("ReduceMean", ["x"], ["y"], keepdims=0), [3, 4]),
    "reshape": (helper.make_node("Reshape", ["x", "w0"], ["y"]), [2, 3, 4], np.array([0, -1, 2])),
    "transpose": (helper.make_node("Transpose", ["x"], ["y"], perm=[0, 2, 1]), [2, 3, 4]),
}


@pytest.mark.parametrize(("node", "shape", "weights"), [(n, s, w) for n, s, *w in NODES.values()], ids=NODES)
def test_operators_are_onnx_operators(node, shape, weights, tmp_path):
    found, wanted = both(one_node(tmp_path / "model.onnx", node, shape, *weights), shape[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_weights_and_images_are_of_the_precision_and_channels_last(tmp_path):
    network = Network(save(PARTS["swish"], tmp_path / "model.onnx"), "cpu", torch.bfloat16)
    x = network.random_input()
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert {value.dtype for value in network.values.values() if isinstance(value, torch.Tensor)} == {torch.bfloat16}
    assert {y.dtype for _, _, y in network.steps(x)} == {torch.bfloat16}


def test_what_it_cannot_run_is_named(tmp_path):
    erf = one_node(tmp_path / "erf.onnx", helper.make_node("Erf", ["x"], ["y"], name="odd"), [1, 2])
    with pytest.raises(ValueError, match=r"operator Erf \(odd\) is not one of Add, "):
        Network(erf, "cpu", torch.float32)
    free = one_node(tmp_path / "free.onnx", helper.make_node("Relu", ["x"], ["y"]), [1, "width"])
    with pytest.raises(ValueError, match="no fixed size"):
        Network(free, "cpu", torch.float32)
    valid = helper.make_node("Conv", ["x", "w0"], ["y"], auto_pad="VALID")
    network = Network(one_node(tmp_path / "conv.onnx", valid, [1, 4, 5, 5], CONV), "cpu", torch.float32)
    with pytest.raises(ValueError, match="pads written out"):
        network(network.random_input())


def test_what_the_runner_is_given():
    *_, file, precision = TorchCuda(precision="bfloat16").command()
    assert file.is_file()
    assert precision == "bfloat16"


@needs_gpu
@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
def test_a_network_is_timed_on_the_gpu(precision, tmp_path):
    runtime = {"kind": "torch-cuda", "precision": precision}
    file = DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": runtime}, "file")
    model = save(PARTS["fbnet"], tmp_path / "model.onnx")
    with devices.build(file) as gpu:
        assert (gpu.info.runtime, gpu.info.precision) == ("torch-cuda", precision)
        gpu.load("net", model)
        (seconds,) = gpu.time([("net", 5)])
        told = gpu.breakdown(model)
    assert seconds.shape == (5,)
    assert len(told.operators) == len(onnx.load(model).graph.node)
    assert told.peak_bytes > 0
