"""The parts of the demo that are its own; the whole of it runs in CI."""

import importlib
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from hwnas.errors import InputError
from hwnas.latency import baseline
from hwnas.pipeline.demo import NetworkFigures, _figures, _latency_inside, _write_result, demo, read_result
from hwnas.space import registry
from hwnas.space.zoo import mobilenet_v2
from hwnas.testing import refused


@pytest.fixture
def measured_by_macs(monkeypatch, made_up_table):
    """Every network measures its MACs in millions, in ms."""
    exact = made_up_table().reference

    def measure(device, nets, **options):
        return [replace(exact, ms=net.macs / 1e6) for net in nets]

    monkeypatch.setattr(baseline, "measure_nets", measure)


def test_the_rival_is_the_fastest_that_is_not_below_the_budget(measured_by_macs):
    nets = baseline.mobilenets_by_width(10, 32)
    macs = [net.macs / 1e6 for net in nets]
    assert macs == sorted(set(macs))
    for budget in (macs[0] / 2, macs[3], macs[3] + 1e-3, macs[-1]):
        net, found = baseline.nearest_not_below(nets, budget, None, reference_seconds=1.0)
        assert found.ms == net.macs / 1e6 == min(ms for ms in macs if ms >= budget)
    with pytest.raises(InputError):
        baseline.nearest_not_below(nets, macs[-1] * 1.01, None, reference_seconds=1.0)


def test_the_latency_is_inside_the_space(made_up_table):
    table = made_up_table()
    fastest, slowest = table.predictor(registry.get("proxyless-32", 3)).range()
    assert fastest < _latency_inside(table) < slowest


def test_accuracy_is_of_the_exported_seed_and_of_all(made_up_table):
    net, measured = mobilenet_v2(0.35, 10, 32), made_up_table().reference
    found = NetworkFigures(**_figures(net, measured, [0.8, 0.9, 0.7]))
    assert (found.name, found.macs, found.measured_ms) == (net.name, net.macs, measured.ms)
    assert found.top1 == 0.8
    assert found.top1_mean == pytest.approx(0.8)
    assert found.top1_spread == pytest.approx(0.1)
    assert _figures(net, measured, [0.8])["top1_spread"] is None


FIGURES = {
    "name": "net", "macs": 1, "params": 2, "measured_ms": 0.09, "measured_interval_ms": [0.08, 0.1], "top1": 0.8,
    "top1_seeds": [0.8], "top1_mean": 0.8, "top1_spread": None,
}  # fmt: skip
OLD = FIGURES | {
    "budget_ms": 0.1, "predicted_ms": 0.09, "verified_ms": 0.09, "onnx_top1": 0.8, "max_abs_logit_diff": 1e-6,
    "baseline": FIGURES, "table": "net", "bundle": "out/export/searched", "seconds": {"profile": 1.0},
}  # fmt: skip
"""A result as it was written before it had a schema."""


def test_a_result_comes_back_from_its_file_and_from_one_of_before(tmp_path):
    (tmp_path / "result.json").write_text(json.dumps(OLD))
    result = read_result(tmp_path)
    assert (result.latency_ms, result.baseline.top1, Path(result)) == (0.1, 0.8, tmp_path)
    assert "0.1 ms" in result.table()
    _write_result(result)
    assert read_result(tmp_path) == result
    (tmp_path / "result.json").write_text('{"done": true}')
    with refused("file.other-schema"):
        read_result(tmp_path)


def test_a_demo_is_only_gone_on_with_as_it_was_asked_for(tmp_path):
    for ms in (-3.0, 0.0, float("nan")):
        with pytest.raises(InputError):
            demo(tmp_path / "out", latency_ms=ms)
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "demo.json").write_text(json.dumps({"latency_ms": None, "seeds": 3, "seed": 0}))
    (tmp_path / "out" / "result.json").write_text(json.dumps(OLD))
    assert demo(tmp_path / "out").name == "net"
    with refused("demo.other-arguments", path=tmp_path / "out"):
        demo(tmp_path / "out", seeds=1)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").write_text("")
    with refused("folder.not-empty"):
        demo(tmp_path / "other")


@pytest.fixture
def stages(monkeypatch, made_up_table):
    """Stages that only note what they are asked for, and a demo with them."""
    module, asked = importlib.import_module("hwnas.pipeline.demo"), []
    table, net = made_up_table(), mobilenet_v2(0.35, 10, 32)
    measured = replace(table.reference, ms=0.5)

    def noted(name, result=None):
        def stage(*given, **options):
            asked.append((name, given, options))
            return result(*given) if callable(result) else result

        return stage

    found = SimpleNamespace(net=lambda: net, record=SimpleNamespace(predicted_ms=0.4))
    manifest = SimpleNamespace(onnx_top1=0.75, max_abs_logit_diff=1e-6, latency=SimpleNamespace(measured=measured))
    fakes = {
        "profile": noted("profile", lambda *_: None),
        "load_table": noted("load", table),
        "search": noted("search", found),
        "mobilenets_by_width": noted("widths", [net]),
        "nearest_not_below": noted("rival", (net, measured)),
        "train_many": noted("train", lambda jobs: [SimpleNamespace(top1=0.1 * (1 + job.seed)) for job in jobs]),
        "export": noted("export"),
        "verify": noted("verify", SimpleNamespace(latency=SimpleNamespace(measured_ms=0.45))),
        "read_manifest": noted("manifest", manifest),
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(module, name, fake)
    monkeypatch.setattr(module.devices, "get", lambda name: nullcontext(name))
    return asked


def test_a_demo_runs_every_stage_in_order_and_tells_each(stages, tmp_path):
    told = []
    result = demo(tmp_path / "demo", seeds=2, progress=told.append)
    assert [name for name, *_ in stages] == [
        "profile", "load", "search", "widths", "rival", "train", "export", "verify", "manifest",
    ]  # fmt: skip
    assert [event.text for event in told] == ["profile", "search", "baseline", "train", "export", "verify"]
    ((jobs,), options) = next(given for name, *given in stages if name == "train")
    assert [(job.out.name, job.seed) for job in jobs] == [
        ("searched-0", 0), ("searched-1", 1), ("mobilenet_v2-0", 0), ("mobilenet_v2-1", 1),
    ]  # fmt: skip
    assert (options["mirror"], options["val"]) == (True, 0)
    assert result.top1_seeds == result.baseline.top1_seeds == pytest.approx((0.1, 0.2))
    assert (result.predicted_ms, result.verified_ms, result.onnx_top1) == (0.4, 0.45, 0.75)
    assert list(result.seconds) == [event.text for event in told]
    assert "15.00% ± 7.07%" in result.table()
    assert read_result(tmp_path / "demo") == result


def test_a_demo_that_was_interrupted_keeps_its_table_and_its_bundle(stages, tmp_path):
    (tmp_path / "export" / "searched").mkdir(parents=True)
    (tmp_path / "cpu.proxyless-32.json").touch()
    (tmp_path / "demo.json").write_text(json.dumps({"latency_ms": 0.6, "seeds": 1, "seed": 3}))
    result = demo(tmp_path, latency_ms=0.6, seeds=1, seed=3, progress=False)
    assert {"profile", "export"}.isdisjoint(name for name, *_ in stages)
    assert (result.latency_ms, result.top1, result.top1_spread) == (0.6, pytest.approx(0.4), None)
