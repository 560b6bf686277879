"""Networks that are no chains: a cell of two branches and a skip over three blocks, built, counted, run, exported and
measured."""

import json
import weakref
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from hwnas import devices
from hwnas.deploy.onnx import export_onnx, fused
from hwnas.latency.graph import graph, save
from hwnas.latency.measure import measure
from hwnas.nn.build import build
from hwnas.space import scaling, strings, zoo
from hwnas.space.fold import fold
from hwnas.space.net import Block, Net
from hwnas.testing import refused

BLOCKS = (
    Block("conv", 3, 8, 16, 16, 3, 2, act="relu"),
    Block("mbconv", 8, 8, 8, 8, 3, expansion=2, act="relu"),  # 1: one branch of the cell
    Block("maxpool", 8, 8, 8, 8, 3),  # 2: the other
    Block("concat", 8, 16, 8, 8, fan_in=2),
    Block("conv", 16, 8, 8, 8, act="relu"),  # 4: here the skip begins
    Block("conv", 8, 8, 8, 8, 3, act="relu"),
    Block("mbconv", 8, 8, 8, 8, 5, expansion=3, act="hswish", residual=True),
    Block("conv", 8, 8, 8, 8, 3),
    Block("add", 8, 8, 8, 8, fan_in=2),
    Block("classifier", 8, 5, 8, 8),
)
SOURCES = ((-1,), (0,), (0,), (1, 2), (3,), (4,), (5,), (6,), (4, 7), (8,))
CELLS = Net(BLOCKS, "cells", sources=SOURCES)


@pytest.fixture
def cells(awake):
    return awake(build(CELLS, seed=0)).eval()


@pytest.fixture
def images():
    return torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def by_hand(module, x):
    """The network written out."""
    stem = module[0](x)
    start = module[4](torch.cat([module[1](stem), module[2](stem)], 1))
    return module[9](start + module[7](module[6](module[5](start))))


def test_it_runs_as_written_out(cells, images):
    assert torch.equal(cells(images), by_hand(cells, images))
    cells(images).sum().backward()
    assert all(parameter.grad is not None for parameter in cells.parameters())


def test_it_is_counted():
    convs = 64 * 3 * 9 * 8, 64 * (8 * 16 + 16 * 9 + 16 * 8), 64 * 16 * 8, 64 * 8 * 9 * 8
    last = 64 * (8 * 24 + 24 * 25 + 24 * 8), 64 * 8 * 9 * 8, 8 * 5
    assert CELLS.macs == sum(convs) + sum(last)
    assert CELLS.params == sum(parameter.numel() for parameter in build(CELLS).parameters())


def answers(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.numpy()})[0]


def test_both_onnx_graphs_give_its_answers(cells, images):
    exported = onnx.load_from_string(export_onnx(cells, CELLS.resolution))
    timed = graph(CELLS)
    onnx.checker.check_model(timed, full_check=True)
    weights = {name: value.detach().numpy() for name, value in fused(cells).state_dict().items()}
    ours = [tensor for tensor in timed.graph.initializer if tensor.name in weights]
    assert len(ours) == len(weights)
    for tensor in ours:
        tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name], tensor.name))
    assert sorted(node.op_type for node in exported.graph.node) == sorted(node.op_type for node in timed.graph.node)
    with torch.no_grad():
        expected = cells(images).numpy()
    np.testing.assert_allclose(answers(exported, images), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers(timed, images), expected, rtol=1e-4, atol=1e-5)


def test_joins_take_several_inputs(images):
    for block in (Block("add", 3, 3, 16, 16, fan_in=3), Block("concat", 3, 9, 16, 16, fan_in=3)):
        inputs = {"images": images, "images_2": 2 * images, "images_3": -images}
        expected = torch.cat(list(inputs.values()), 1) if block.op == "concat" else 2 * images
        session = onnxruntime.InferenceSession(graph(block).SerializeToString(), providers=["CPUExecutionProvider"])
        found = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]
        np.testing.assert_allclose(found, expected.numpy(), rtol=1e-6)
        assert (block.macs, block.params) == (0, 0)


def test_its_blocks_are_measured(tmp_path):
    blocks = {block.key: block for block in BLOCKS}
    models = {key: save(block, tmp_path / f"{key}.onnx") for key, block in blocks.items()}
    with devices.get("cpu") as device:
        found = measure(device, models, precision=0.5, time_limit=2.0)
    assert found.estimates.keys() == blocks.keys()
    assert {"add_8-8_8x8_n2", "concat_8-16_8x8_n2"} <= found.estimates.keys()
    assert all(estimate.ms > 0 for estimate in found.estimates.values())


def test_json_of_graphs_and_chains():
    value = json.loads(json.dumps(CELLS.to_json()))
    assert value["schema"] == 2
    assert Net.from_json(value) == CELLS
    chain = zoo.get("mobilenet_v2").to_json()
    assert chain["schema"] == 1
    assert chain.keys() == {"schema", "blocks", "name", "eps"}
    assert "fan_in" not in chain["blocks"][0]


def test_a_chain_has_one_form():
    chain = BLOCKS[:1] + BLOCKS[5:6]
    assert Net(chain, sources=((-1,), (0,))) == Net(chain)
    assert Net(chain).chain == chain
    assert Net(chain).wiring == ((-1,), (0,))


def changed(index, *sources):
    """`SOURCES` where block `index` takes others."""
    return (*SOURCES[:index], sources, *SOURCES[index + 1 :])


@pytest.mark.parametrize(
    ("sources", "code", "fields"),
    [
        (SOURCES[:-1], "net.sources", {"blocks": 10, "sources": 9}),
        (changed(8, 7), "net.fan-in", {"block": 8, "fan_in": 2}),
        (changed(5, 4, 4), "net.fan-in", {"block": 5, "fan_in": 1}),
        (changed(5, 5), "net.source", {"block": 5, "source": 5}),
        (changed(5, -2), "net.source", {"block": 5, "source": -2}),
        (changed(5, 3), "net.misfit", {"block": 5, "source": 3}),
        (changed(1, -1), "net.misfit", {"block": 1, "source": -1}),
        (changed(8, 4, 4), "net.dead-end", {"block": 7}),
    ],
)
def test_sources_that_cannot_be_are_refused(sources, code, fields):
    with refused(code, **fields):
        Net(BLOCKS, sources=sources)
    with refused(code, **fields):
        Net.from_json(CELLS.to_json() | {"sources": [list(each) for each in sources]}, "file")


def test_what_is_only_for_chains_says_so():
    for call in (lambda: CELLS.chain, lambda: scaling.scale(CELLS, 2), lambda: strings.write(CELLS)):
        with refused("net.not-a-chain", name="cells"):
            call()


class Value:
    """What can be watched by a weak reference."""


def test_a_value_is_let_go_after_its_last_use():
    made, alive = [], []

    def run(index, inputs):
        value = Value()
        made.append(weakref.ref(value))
        alive.append({place for place, reference in enumerate(made) if reference()})
        return value

    fold(CELLS.wiring, [Value()], run)
    assert alive == [{0}, {0, 1}, {0, 1, 2}, {1, 2, 3}, {3, 4}, {4, 5}, {4, 5, 6}, {4, 6, 7}, {4, 7, 8}, {8, 9}]


def test_a_net_is_told_by_its_sources_too():
    assert replace(CELLS, sources=changed(8, 7, 4)) != CELLS
