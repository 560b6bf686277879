"""Profiles of a space whose layers share choices, on a device whose truth is known."""

from collections import Counter

import numpy as np
import onnx
import pytest

from hwnas import devices
from hwnas.latency import profile as room
from hwnas.latency.graph import save
from hwnas.latency.profile import NET
from hwnas.pipeline.profile import profile


@pytest.fixture
def device(drifting, monkeypatch):
    """A device that remembers how large the images of each network are, which `profile` runs on."""

    class Seeing(drifting):
        def __init__(self):
            super().__init__()
            self.seen = {}

        def load(self, key, path):
            super().load(key, path)
            (images,) = onnx.load(path).graph.input
            self.seen[key] = [size.dim_value for size in images.type.tensor_type.shape.dim][1:]

    made = Seeing()
    monkeypatch.setattr(devices, "get", lambda name, threads: made)
    return made


def error(table, space, true_seconds, folder):
    """The relative error (RMS) of predictions of networks, most of which were not measured."""
    rng = np.random.default_rng(9)
    archs = [space.sample(rng) for _ in range(60)]
    truth = [true_seconds(save(space.derive(arch), folder / "net.onnx")) * 1e3 for arch in archs]
    ratio = table.predictor(space).cost(archs) / truth
    return np.std(ratio / ratio.mean())  # but for the reference time, which the session does not know


def test_where_blocks_are_few_they_are_measured(device, elastic, true_seconds, tmp_path):
    table = profile(elastic, out=tmp_path / "table.json", precision=0.5, networks=20).table
    assert set(table.rows) == {block.key for block in elastic.blocks()}
    assert table.flags == ()
    assert error(table, elastic, true_seconds, tmp_path) < 0.02


def test_where_they_are_many_networks_are_measured_alone_and_more_of_them(
    device, elastic, true_seconds, monkeypatch, tmp_path
):
    monkeypatch.setattr(room, "BLOCKS", len(elastic.blocks()) - 1)
    monkeypatch.setattr(room, "WITHOUT_BLOCKS", 40)
    table = profile(elastic, out=tmp_path / "table.json", precision=0.5).table
    assert table.rows == {}
    assert (
        table.flags[0]
        == f"blocks: none of the {len(elastic.blocks())} were measured, as they are many: only whole networks"
    )
    assert 35 < len(table.networks.archs) <= 40, "few are drawn twice"
    assert table.overhead.ms < min(table.networks.ms), "the empty network is measured all the same"
    assert error(table, elastic, true_seconds, tmp_path) < 0.03


def test_until_the_error_is_as_asked(device, elastic, monkeypatch, tmp_path):
    monkeypatch.setattr(room, "BLOCKS", 0)
    table = profile(elastic, out=tmp_path / "table.json", precision=0.5, networks=3, within=0.01).table
    assert table.quality.rmspe <= 0.01
    assert len(table.networks.archs) > 3
    assert [flag.split(":")[0] for flag in table.flags] == ["blocks"]


def test_each_network_is_measured_at_its_own_resolution(device, elastic, tmp_path):
    table = profile(elastic, out=tmp_path / "table.json", precision=0.5, networks=12, time_limit=1e-9).table
    for text, arch in zip(table.networks.archs, table.networks.indices, strict=True):
        size = elastic.derive(tuple(arch)).resolution
        assert device.seen[NET + text] == [3, size, size]
    assert len(Counter(tuple(device.seen[NET + text]) for text in table.networks.archs)) == 2
