"""Strategies compared: what they are told, kept runs, and what is refused."""

import json

import numpy as np
import pytest

from hwnas.compare.bench import Bench
from hwnas.errors import InputError
from hwnas.latency.table import load
from hwnas.pipeline.compare import compare
from hwnas.space import registry
from hwnas.strategies import methods
from hwnas.strategies.constants import Constants
from hwnas.strategies.samplers.random import RandomSearch
from hwnas.testing import refused

LIMIT = 40e6


@pytest.fixture
def stub(monkeypatch):
    """A function that adds a class to the methods, as `stub`."""

    def add(kind):
        monkeypatch.setitem(methods.METHODS, "stub", methods.Method("black box", "", "", kind))

    return add


class StepsConstants(Constants):
    steps: int = 3


def test_strategies_are_told_what_was_observed_within_the_limit(accuracies, stub, tmp_path):
    class Watched(RandomSearch):
        constants = StepsConstants

        def __init__(self, space, limit, constants, *, seed, budget):
            super().__init__(space, limit, constants, seed=seed, budget=budget)
            made.append(self)
            self.given = (limit.high, seed, budget, constants.steps)

    made = []
    stub(Watched)
    found = compare(accuracies, ["stub"], budget=6, seeds=2, limit_macs=LIMIT, single=True,
                    constants={"stub": {"steps": 5}}, out=tmp_path)  # fmt: skip
    bench = Bench.load(accuracies, None, None, LIMIT, single=True)
    made = [one for one in made if one.observations]  # the first is only tried out
    assert [one.given for one in made] == [(LIMIT, seed, 6, 5) for seed in range(2)]
    for seed, one in enumerate(made):
        archs, scores = zip(*one.observations, strict=True)
        assert bench.limit.allows(archs).all()
        assert scores == tuple(bench.scores(seed)[arch] for arch in archs)
        kept = json.loads((tmp_path / "runs" / f"stub-{seed}.json").read_text())
        assert kept["run"]["archs"] == [list(arch) for arch in archs]
    assert found.path == tmp_path
    (result,) = found.record.results
    assert (result.constants, len(result.regret)) == ({"steps": 5}, 6)
    assert min(result.low) >= 0


def test_what_is_outside_the_limit_is_no_result(accuracies, stub, tmp_path):
    class Careless(RandomSearch):
        def propose(self):
            return self.space.largest

    stub(Careless)
    with pytest.raises(RuntimeError, match="stub asked for what is not allowed"):
        compare(accuracies, ["stub"], budget=2, seeds=1, limit_macs=LIMIT, out=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_the_best_is_first_and_the_files_say_so(accuracies, stub, tmp_path):
    class Knowing(RandomSearch):
        def propose(self):
            return max(np.ndindex(self.space.choices), key=lambda arch: known.accuracy[arch])

    known = Bench.load(accuracies, None, None, None, single=False)
    stub(Knowing)
    found = compare(accuracies, ["random", "stub"], budget=3, seeds=2, out=tmp_path).record
    assert [result.strategy for result in found.results] == ["stub", "random"]
    assert found.results[0].regret == (0.0,) * 3
    assert (found.results[0].found, found.results[1].found) == (1.0, 0.0)
    assert (found.unit, found.limit, found.truth.allowed) == ("MACs", None, 6561)
    written = json.loads((tmp_path / "comparison.json").read_text())
    assert written["schema"] == 1
    assert written["results"][0]["regret"] == [0.0] * 3
    page = (tmp_path / "plot.html").read_text()
    assert page.count('"name":"random"') == page.count('"name":"stub"') == 1
    assert "<script src" not in page


def test_latency_is_predicted_by_a_table(accuracies, made_up_table, tmp_path):
    path = tmp_path / "latency.json"
    made_up_table(classes=10, name="nas-bench-macro").save(path)
    space = registry.get("nas-bench-macro")
    predicted = load(path).predictor(space).cost(list(np.ndindex(space.choices)))
    limit = float(np.median(predicted))
    found = compare(accuracies, ["random"], budget=5, seeds=1, latency=path, limit_ms=limit, out=tmp_path).record
    assert (found.unit, found.limit, found.truth.allowed) == ("ms", limit, int((predicted <= limit).sum()))
    bench = Bench.load(accuracies, path, limit, None, single=False)
    assert bench.cost.ravel() == pytest.approx(predicted)


def figures(found):
    return [(one.strategy, one.low, one.regret, one.high, one.found, one.hypervolume) for one in found.record.results]


def test_ctrl_c_loses_only_the_run_in_progress(accuracies, stub, tmp_path):
    class Stopped(RandomSearch):
        def propose(self):
            asks.append(self)
            if len(asks) == stop:
                raise KeyboardInterrupt
            return super().propose()

    stub(Stopped)
    options = {"budget": 4, "seeds": 3, "limit_macs": LIMIT}
    asks, stop = [], 0
    whole = compare(accuracies, ["stub"], **options, out=tmp_path / "whole")
    asks, stop = [], 7
    with pytest.raises(KeyboardInterrupt):
        compare(accuracies, ["stub"], **options, out=tmp_path / "again")
    assert [path.name for path in (tmp_path / "again" / "runs").iterdir()] == ["stub-0.json"]
    asks, stop = [], 0
    found = compare(accuracies, ["stub"], **options, out=tmp_path / "again")
    assert len(asks) == 2 * 4
    assert figures(found) == figures(whole)
    asks = []
    assert compare(accuracies, ["stub"], **options, out=tmp_path / "again").record.results == found.record.results
    assert asks == []


def test_workers_change_nothing(accuracies, tmp_path):
    one, two = (
        compare(accuracies, ["random"], budget=5, seeds=2, out=tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    )
    assert figures(one) == figures(two)


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"budget": 4}, ["budget"]), ({"limit_macs": 5e7}, ["limit"]), ({"single": True}, ["single"])],
)
def test_runs_of_something_else_are_refused(accuracies, tmp_path, changes, names):
    options = {"budget": 3, "seeds": 1, "limit_macs": LIMIT, "out": tmp_path}
    compare(accuracies, ["random"], **options)
    with refused("compare.other", path=str(tmp_path / "runs" / "random-0.json"), names=names):
        compare(accuracies, ["random"], **{**options, **changes})


def test_runs_of_other_accuracies_are_refused(accuracies, tmp_path):
    compare(accuracies, ["random"], budget=3, seeds=1, out=tmp_path)
    rows = json.loads(accuracies.read_text())
    rows["00000000"]["test_acc"][0] += 1
    (tmp_path / "other.json").write_text(json.dumps(rows))
    with refused("compare.other", names=["table"]):
        compare(tmp_path / "other.json", ["random"], budget=3, seeds=1, out=tmp_path)


@pytest.mark.parametrize("text", ["", '{"schema": 1}', '{"schema": 1, "request": []}', '{"schema": 2}', "[]"])
def test_a_damaged_run_is_refused(accuracies, tmp_path, text):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "random-0.json").write_text(text)
    with pytest.raises(InputError) as caught:
        compare(accuracies, ["random"], budget=3, seeds=1, out=tmp_path)
    assert caught.value.code.startswith(("file.", "compare."))
    assert "random-0.json" in str(caught.value)


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["best"], {}, "reference.unknown"),
        (["darts"], {}, "compare.gradient"),
        ([], {}, "compare.no-strategies"),
        (["random"], {"budget": 0}, "compare.count"),
        (["random"], {"seeds": 0}, "compare.count"),
        (["random"], {"workers": 0}, "compare.count"),
        (["random"], {"limit_macs": 5e6}, "compare.nothing-allowed"),
        (["random"], {"limit_macs": float("nan")}, "compare.nothing-allowed"),
        (["random"], {"limit_macs": 7713280}, "compare.no-front"),
        (["random"], {"limit_ms": 1.0}, "compare.no-latency-table"),
        (["random"], {"latency": "pixel3.fbnet", "limit_macs": 1e7}, "compare.limit-unit"),
        (["random"], {"latency": "pixel3.fbnet"}, "table.other-space"),
        (["random"], {"latency": "pixel9"}, "table.unknown"),
        (["random"], {"constants": {"random": {"size": 3}}}, "constants.unknown"),
        (["one-shot"], {"constants": {"one-shot": {"dropout": 0.1}}}, "constants.unknown"),
        (["random"], {"constants": {"pnas": {"beam": 3}}}, "compare.not-compared"),
    ],
)
def test_a_mistake_is_refused(accuracies, tmp_path, names, options, code):
    with refused(code):
        compare(accuracies, names, **{"budget": 2, "seeds": 1, "out": tmp_path / "out", **options})
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_whole_is_refused(accuracies, tmp_path):
    rows = json.loads(accuracies.read_text())
    del rows["00000000"]
    (tmp_path / "part.json").write_text(json.dumps(rows))
    with refused("accuracies.incomplete", networks=6560, of=6561):
        compare(tmp_path / "part.json", ["random"], out=tmp_path / "out")
