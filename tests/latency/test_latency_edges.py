"""Latencies at their edges: what is not known, what is large, and a device that breaks before anything was measured."""

from dataclasses import replace

import pytest

from hwnas import devices
from hwnas.errors import DeviceError
from hwnas.latency.baseline import STRIDES_32, mobilenets_by_width
from hwnas.latency.learn import learn
from hwnas.pipeline.profile import profile
from hwnas.space import registry
from hwnas.space.zoo import mobilenet_v2
from hwnas.testing import refused


def test_noise_is_known_only_where_both_halves_are(made_up_table):
    table = made_up_table()
    space = registry.get(table.space, table.classes)
    model, quality = learn(space, table.networks, table.rows, table.overhead)
    assert quality.noise is quality.ceiling is None
    halves = tuple((ms * 0.99, ms * 1.01) for ms in table.networks.ms)
    same, noisy = learn(space, replace(table.networks, halves=halves), table.rows, table.overhead)
    assert (same, noisy.rmspe) == (model, quality.rmspe)
    assert 0 < noisy.noise < 0.05


def test_large_images_have_the_published_strides():
    nets = mobilenets_by_width(10, 64)
    assert mobilenet_v2(1.0, 10, 64) in nets
    assert mobilenet_v2(1.0, 10, 32, STRIDES_32) in mobilenets_by_width(10, 32)
    assert len(set(nets)) == len(nets)


def test_a_device_that_breaks_before_anything_was_measured_leaves_no_file(drifting, space, tmp_path, monkeypatch):
    class Breaks(drifting):
        def load(self, key, path):
            raise DeviceError("it broke", code="device.ended")

    device, describe = Breaks(), devices.describe
    monkeypatch.setattr(devices, "get", lambda name, threads: device)
    monkeypatch.setattr(
        devices, "describe", lambda name: describe(name).model_copy(update={"name": device.info.device})
    )
    with refused("device.ended"):
        profile(space, out=tmp_path / "table.json", networks=3, progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resolution", [32, 33])
def test_a_network_is_for_images_of_the_size_asked_for(resolution):
    assert {net.resolution for net in mobilenets_by_width(3, resolution)} == {resolution}
