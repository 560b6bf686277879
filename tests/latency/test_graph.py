"""Graphs built from the walk against the torch modules built from the same walk."""

from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from hwnas.deploy.onnx import export_onnx, fused
from hwnas.latency.graph import _Graph, empty, graph
from hwnas.nn.build import build
from hwnas.space import registry
from hwnas.space.layer import Layer
from hwnas.space.net import Block, Net

BLOCKS = {
    "conv": Block("conv", 3, 8, 9, 9, 3, 2, act="relu"),
    "pointwise": Block("conv", 6, 8, 5, 5, act="hswish"),
    "no_expansion": Block("mbconv", 8, 4, 6, 6, 3, act="relu6"),
    "residual": Block("mbconv", 8, 8, 6, 6, 5, expansion=3, act="relu6", residual=True),
    "strided": Block("mbconv", 8, 12, 7, 9, 7, 2, expansion=2, act="swish"),
    "se": Block("mbconv", 8, 8, 6, 6, 3, expansion=2, se=4, act="hswish", residual=True),
    "se_relu6": Block("mbconv", 8, 16, 6, 6, 3, 2, 2, se=2, act="relu6"),
    "fbconv": Block("fbconv", 8, 8, 6, 6, 3, act="relu", residual=True),
    "shuffled": Block("fbconv", 12, 12, 6, 6, 3, expansion=2, groups=2, act="relu", residual=True),
    "shuffled_strided": Block("fbconv", 9, 12, 7, 9, 5, 2, groups=3, act="relu6"),
    "middle": Block("mbconv", 8, 8, 6, 6, 3, mid=20, act="relu", residual=True, pooled=True),
    "hard": Block("mbconv", 8, 12, 7, 9, 5, 2, 2, se=6, hard=True, act="hswish"),
    "squeezed": Block("conv", 8, 8, 6, 6, 3, se=4, hard=True, act="swish", residual=True),
    "fused": Block("fused", 8, 8, 6, 6, 3, expansion=2, se=2, act="swish", residual=True),
    "fused_strided": Block("fused", 8, 12, 7, 9, 3, 2, mid=20, act="relu6"),
    "shuffle": Block("shuffle", 10, 10, 6, 6, 5, mid=7, act="relu"),
    "shuffle_strided": Block("shuffle", 6, 10, 7, 9, 3, 2, mid=5, act="hswish"),
    "xception": Block("xception", 10, 12, 6, 6, 3, mid=7, act="relu"),
    "xception_strided": Block("xception", 6, 10, 7, 9, 3, 2, mid=5, act="relu"),
    "avgpool": Block("avgpool", 6, 6, 7, 9, 3, 2),
    "maxpool": Block("maxpool", 6, 6, 7, 9, 5),
    "zero": Block("zero", 6, 6, 7, 9, stride=2),
    "classifier": Block("classifier", 8, 5, 4, 4),
    "hidden": Block("classifier", 8, 5, 4, 4, mid=12, act="hswish"),
}
NET = Net(
    (
        Block("conv", 3, 8, 16, 16, 3, 2, act="relu6"),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=3, se=4, act="hswish", residual=True),
        Block("mbconv", 8, 16, 8, 8, 5, 2, expansion=3, act="swish"),
        Block("fbconv", 16, 16, 4, 4, 3, groups=2, act="relu", residual=True),
        Block("conv", 16, 24, 4, 4, act="relu"),
        Block("classifier", 24, 10, 4, 4),
    )
)
JOINS = Net(
    (
        Block("shuffle", 3, 8, 16, 16, 3, 2, mid=4, act="relu"),
        Block("shuffle", 8, 8, 8, 8, 5, mid=4, act="relu"),
        Block("xception", 8, 12, 8, 8, 3, 2, mid=6, act="relu"),
        Block("xception", 12, 12, 4, 4, 3, mid=6, act="relu"),
        Block("maxpool", 12, 12, 4, 4, 3),
        Block("avgpool", 12, 12, 4, 4, 3, 2),
        Block("fused", 12, 12, 2, 2, 3, expansion=2, se=3, act="swish", residual=True),
        Block("mbconv", 12, 12, 2, 2, 3, mid=20, se=4, hard=True, act="hswish", residual=True, pooled=True),
        Block("classifier", 12, 10, 2, 2, mid=16, act="hswish"),
    )
)
NOTHING = Net((Block("zero", 3, 3, 4, 4, stride=2), Block("conv", 3, 4, 2, 2, act="relu")))
"""By itself: the exporter leaves out whatever comes before a zero."""


def with_weights_of(module: torch.nn.Module, model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with the weights of the fused `module`, which must have the same names and shapes."""
    weights = {name: value.detach().numpy() for name, value in fused(module).state_dict().items()}
    ours = [tensor for tensor in model.graph.initializer if tensor.name.endswith((".weight", ".bias"))]
    assert {tensor.name: tuple(tensor.dims) for tensor in ours} == {name: v.shape for name, v in weights.items()}
    for tensor in ours:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    return model


def trained(net: Net) -> torch.nn.Module:
    """The module of `net`, its norms away from the identity that they start as."""
    module = build(net, seed=0)
    generator = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if value.is_floating_point() and "norm" in name:
            value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return module.eval()


@pytest.mark.parametrize("part", [*BLOCKS.values(), NET, JOINS], ids=[*BLOCKS, "net", "joins"])
def test_same_function_as_torch(part):
    net = part if isinstance(part, Net) else Net((part,))
    module, first = trained(net), net.blocks[0]
    x = torch.randn(3, first.cin, first.height, first.width, generator=torch.Generator().manual_seed(2)) * 3
    model = with_weights_of(module, graph(part))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": x.numpy()})
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("net", [NET, JOINS, NOTHING], ids=["net", "joins", "nothing"])
def test_same_operators_as_the_export(net):
    """What is timed must be what is deployed, operator for operator."""
    exported = onnx.load_from_string(export_onnx(trained(net), net.resolution))
    counts = [Counter(node.op_type for node in model.graph.node) for model in (exported, graph(net))]
    assert counts[0] == counts[1]
    assert {o.version for o in exported.opset_import} == {o.version for o in graph(net).opset_import}


def test_weights_depend_on_the_seed_alone():
    first, again, other = (graph(BLOCKS["se"], seed).SerializeToString() for seed in (0, 0, 1))
    assert first == again != other


def test_every_block_of_every_space_makes_a_graph():
    for name in registry.SPACES:
        for block in registry.get(name, 4).blocks()[::9]:
            onnx.checker.check_model(graph(block), full_check=True)


def test_random_weights_keep_values_in_range():
    """Values that fade to denormals would be slow for a reason that no trained network has."""
    space = registry.get("proxyless-32")
    net = space.derive((1,) * len(space.slots))
    session = onnxruntime.InferenceSession(graph(net).SerializeToString(), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)
    (logits,) = session.run(None, {"images": images})
    assert 1e-3 < np.abs(logits).mean() < 1e3


def test_empty_is_one_operator():
    onnx.checker.check_model(empty(), full_check=True)
    assert len(empty().graph.node) == 1


def test_a_layer_or_an_activation_of_an_unknown_kind_is_no_node():
    made = _Graph(0)
    with pytest.raises(AssertionError, match="dance"):
        made.activation("x", "dance")
    with pytest.raises(AssertionError, match="dance"):
        made.layer(["x"], Layer("dance", "a", 2, 2), "b")
