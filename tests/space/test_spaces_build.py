"""200 random architectures of every space: they build, run, count, survive JSON, and give a valid ONNX model.

To take seconds, not minutes: the networks run on 32×32 pixels, a block that several of them hold is one module, and
the ONNX models, which are of the true size, have their weights as inputs, so that no one draws or copies their values.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

import hwnas.latency.graph as graphs
from hwnas.nn.blocks import BlockModule
from hwnas.nn.build import Network
from hwnas.space import mobile
from hwnas.space.net import Net

COUNT, PIXELS = 200, 32


def architectures(space):
    rng = np.random.default_rng(0)
    return [space.sample(rng) for _ in range(COUNT)]


def shrunk(net):
    """`net` for images of `PIXELS` × `PIXELS`."""
    blocks, size = [], (PIXELS, PIXELS)
    for block in net.blocks:
        blocks.append(replace(block, height=size[0], width=size[1]))
        size = blocks[-1].out
    return Net(tuple(blocks), net.name, net.eps)


@pytest.fixture
def shared_modules(monkeypatch):
    """Networks in which equal blocks are one module."""
    monkeypatch.setitem(Network.__init__.__globals__, "BlockModule", cache(BlockModule))


@pytest.fixture
def weightless(monkeypatch):
    """Graphs without the values of their weights: `checked` makes them inputs."""
    of_values = graphs.numpy_helper.from_array

    def of_shape(value, name):
        if value.ndim and value.dtype == np.float32:
            return TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
        return of_values(value, name)

    def random(self, name, *shape):
        return self.constant(name, np.broadcast_to(np.float32(0), shape))

    monkeypatch.setattr(graphs.numpy_helper, "from_array", of_shape)
    monkeypatch.setattr(graphs._Graph, "random", random)


def checked(model):
    """Let onnx's checker infer every shape of `model`, and return the number of its weights."""
    weights = [tensor for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT and tensor.dims]
    for tensor in weights:
        model.graph.input.append(helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.dims))
        model.graph.initializer.remove(tensor)
    onnx.checker.check_model(model, full_check=True)
    return sum(int(np.prod(tensor.dims)) for tensor in weights)


@pytest.mark.parametrize("name", mobile.SPACES)
def test_random_architectures_build_run_and_count(name, shared_modules):
    space, images = mobile.get(name, classes=7), torch.zeros(1, 3, PIXELS, PIXELS)
    for arch in architectures(space):
        net = space.derive(arch)
        module = Network(shrunk(net)).eval()
        assert sum(value.numel() for block in module for value in block.parameters()) == net.params
        with torch.inference_mode():
            logits = module(images)
        assert logits.shape == (1, 7)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", mobile.SPACES)
def test_random_architectures_survive_json(name):
    space = mobile.get(name)
    for arch in architectures(space):
        net = space.derive(arch)
        again = Net.from_json(json.loads(json.dumps(net.to_json())))
        assert (again, again.macs, again.params) == (net, net.macs, net.params)


@pytest.mark.parametrize("name", mobile.SPACES)
def test_random_architectures_are_valid_onnx(name, weightless):
    space = mobile.get(name)
    for arch in architectures(space):
        net = space.derive(arch)
        norms = sum(layer.cout for block in net.blocks for layer in block.layers if layer.kind == "conv")
        assert checked(graphs.graph(net)) == net.params - norms  # a folded BatchNorm leaves one bias of its two numbers
