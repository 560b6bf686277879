"""Searches for a device that is not here: the network is chosen as predicted, and everything says so."""

import json
from contextlib import nullcontext
from dataclasses import replace

import pytest
from quick_search import latency_within, quick

from hwnas import devices
from hwnas.cli.search import _latency_lines
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.table import Origin, load
from hwnas.pipeline.export import export
from hwnas.pipeline.train import train
from hwnas.search.problem import Problem
from hwnas.search.record import read_record
from hwnas.space import registry
from hwnas.testing import refused
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_net


@pytest.fixture
def no_device(monkeypatch):
    """Whatever starts a device fails."""
    monkeypatch.setattr(devices, "get", None)


@pytest.fixture(scope="module")
def published(made_up_table, tmp_path_factory):
    """The path of a table of a phone for 100 classes, as somebody published it."""
    table = made_up_table(classes=100)
    table = replace(
        table,
        device=replace(table.device, device="phone", model="Phone"),
        rows={},
        reference=None,
        overhead=None,
        origin=Origin("A Benchmark", "MIT"),
    )
    # without rows it knows less, which its error says
    space = registry.get(table.space, table.classes)
    fitted = LatencyPredictor(space, table.networks.indices, table.networks.ms)
    table = replace(table, model=fitted.model, quality=fitted.quality)
    path = tmp_path_factory.mktemp("tables") / "phone.proxyless-32.json"
    table.save(path)
    return path


@pytest.fixture(scope="module")
def predicted(published, images, tmp_path_factory):
    """The folder of a search by that table, and what it returned; not to be changed."""
    out = tmp_path_factory.mktemp("predicted") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "get", None)  # it starts none
        return out, quick(published, latency_within(published, 0.5), images, out).record


def test_a_search_by_a_published_table_starts_no_device_and_says_so(published, predicted):
    (out, found), table = predicted, load(published)
    assert found.measured is found.reference_seconds is None
    assert (found.device, found.quality) == (table.device, table.quality)
    assert f"predictions: {table.quality}" in _latency_lines(found)
    assert found.target_ms == pytest.approx(found.latency_ms / (1 + table.quality.rmspe))
    assert found.target_ms < found.latency_ms
    assert found.predicted_low < found.predicted_ms <= found.target_ms
    assert found.predicted_ms < found.predicted_high
    first = found.finalists[0]
    assert (found.arch, found.predicted_ms) == (first.arch, first.predicted_ms)
    assert first.score == max(finalist.score for finalist in found.finalists)
    assert read_record(out) == found
    assert json.loads((out / "search.json").read_text())["measured"] is None


def test_the_network_has_as_many_classes_as_the_images_and_the_record_tells_of_which_the_latency_is(predicted):
    out, found = predicted
    assert found.classes == read_net(out).classes == 3
    assert found.flags == (
        "latency: predicted, not measured",
        "classes: the latency of the classifier is that of 100 classes, not of 3",
    )


def test_nothing_is_measured_beside_published_latencies(published, images, no_device, tmp_path):
    with refused("search.published-table", device="phone"):
        quick(published, 5.0, images, tmp_path / "out", measure=True)
    with refused("search.device-unused", device="cpu"):
        quick(published, 5.0, images, tmp_path / "out", device="cpu")
    assert not (tmp_path / "out").exists()


def test_its_latency_is_not_exported_as_that_of_a_device_here(predicted, images, no_device, tmp_path):
    folder, _ = predicted
    train(folder, images, out=tmp_path / "run", recipe=Recipe(epochs=1, batch_size=16))
    with refused("export.device-needed", device="phone"):
        export(tmp_path / "run", out=tmp_path / "export", data=images)
    assert not (tmp_path / "export").exists()


def test_a_search_by_a_measured_table_may_be_told_to_measure_nothing(made_up_table, images, no_device, tmp_path):
    foreign = made_up_table()
    foreign = replace(foreign, device=replace(foreign.device, device="elsewhere"))
    foreign.save(tmp_path / "table.json")
    latency_ms = latency_within(tmp_path / "table.json")
    found = quick(tmp_path / "table.json", latency_ms, images, tmp_path / "out", measure=False).record
    assert found.measured is None
    assert found.reference_seconds == foreign.reference_seconds  # so its budget can be held where the device is
    assert found.flags == ("latency: predicted, not measured",)
    with refused("search.other", names=["limits.measure"]), pytest.MonkeyPatch.context() as patch:
        patch.setattr(Problem, "device", lambda *_: nullcontext())
        quick(tmp_path / "table.json", latency_ms, images, tmp_path / "out", measure=True)
