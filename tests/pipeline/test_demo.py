"""The parts of the demo that are its own; the whole of it runs in CI."""

import json
from dataclasses import replace

import pytest

from hwnas.errors import InputError
from hwnas.latency import baseline
from hwnas.pipeline.demo import _accuracy, _budget, demo
from hwnas.space import registry
from hwnas.training.recipe import Recipe
from hwnas.training.run import TrainRecord


@pytest.fixture
def measured_by_macs(monkeypatch, made_up_table):
    """Every network measures its MACs in millions, in ms."""
    exact = made_up_table().reference

    def measure(device, nets, **options):
        return [replace(exact, ms=net.macs / 1e6) for net in nets]

    monkeypatch.setattr(baseline, "measure_nets", measure)


def test_the_rival_is_the_fastest_that_is_not_below_the_budget(measured_by_macs):
    nets = baseline.widths_of_mobilenet(10, 32)
    macs = [net.macs / 1e6 for net in nets]
    assert macs == sorted(set(macs))
    for budget in (macs[0] / 2, macs[3], macs[3] + 1e-3, macs[-1]):
        net, found = baseline.nearest_not_below(nets, budget, None, reference_seconds=1.0)
        assert found.ms == net.macs / 1e6 == min(ms for ms in macs if ms >= budget)
    with pytest.raises(InputError, match="no mobilenet_v2 is as slow"):
        baseline.nearest_not_below(nets, macs[-1] * 1.01, None, reference_seconds=1.0)


def test_the_budget_is_inside_the_space(made_up_table):
    table = made_up_table()
    fastest, slowest = table.predictor(registry.get("proxyless-32", 3)).range()
    assert fastest < _budget(table) < slowest


def test_accuracy_is_of_the_exported_seed_and_of_all():
    def record(top1):
        fixed = {"data": "d", "fingerprint": "f", "labels": ("a", "b"), "mean": (0.0,), "std": (1.0,), "fitting": ""}
        return TrainRecord(**fixed, recipe=Recipe(), seed=0, top1=top1, history=(), seconds=1.0, versions={})

    found = _accuracy([record(0.8), record(0.9), record(0.7)])
    assert found["top1"] == 0.8
    assert found["top1_mean"] == pytest.approx(0.8)
    assert found["top1_spread"] == pytest.approx(0.1)
    assert _accuracy([record(0.8)])["top1_spread"] is None


def test_a_demo_is_only_gone_on_with_as_it_was_asked_for(tmp_path):
    for ms in (-3.0, 0.0, float("nan")):
        with pytest.raises(InputError, match="above 0"):
            demo(tmp_path / "out", latency_ms=ms)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo.json").write_text(json.dumps({"latency_ms": None, "seeds": 3, "seed": 0}))
    (tmp_path / "out" / "result.json").write_text('{"done": true}')
    assert demo(tmp_path / "out") == {"done": True}
    with pytest.raises(InputError, match="other arguments"):
        demo(tmp_path / "out", seeds=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with pytest.raises(InputError, match="not empty"):
        demo(tmp_path / "other")
