"""Strategies compared: what they are told, kept runs, and what is refused."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from hwnas.compare.bench import Bench
from hwnas.errors import InputError
from hwnas.latency.table import load
from hwnas.pipeline.compare import compare
from hwnas.space import registry
from hwnas.strategies import methods
from hwnas.strategies.samplers.random import RandomSearch

LIMIT = 40e6


@dataclass(frozen=True)
class Stub(methods.Method):
    """A method whose class is given."""

    classes: tuple[type, ...] = ()

    @property
    def parts(self):
        return self.classes


@pytest.fixture
def stub(monkeypatch):
    """A function that adds a class to the methods, as `stub`."""

    def add(kind):
        monkeypatch.setitem(methods.METHODS, "stub", Stub("black box", "", "", "", classes=(kind,)))

    return add


def test_strategies_are_told_what_was_observed_within_the_limit(accuracies, stub, tmp_path):
    class Watched(RandomSearch):
        def __init__(self, space, limit, *, seed, budget, steps=3):
            super().__init__(space, limit, seed=seed, budget=budget)
            made.append(self)
            self.given = (limit.high, seed, budget, steps)

    made = []
    stub(Watched)
    found = compare(accuracies, ["stub"], budget=6, seeds=2, limit_macs=LIMIT, single=True,
                    constants={"stub": {"steps": 5}}, out=tmp_path)  # fmt: skip
    bench = Bench.load(accuracies, None, None, LIMIT, single=True)
    made = [one for one in made if one.told]  # the first is only tried out
    assert [one.given for one in made] == [(LIMIT, seed, 6, 5) for seed in range(2)]
    for seed, one in enumerate(made):
        archs, scores = zip(*one.told, strict=True)
        assert bench.limit.allows(archs).all()
        assert scores == tuple(bench.observed(seed)[arch] for arch in archs)
        kept = json.loads((tmp_path / "runs" / f"stub-{seed}.json").read_text())
        assert kept["run"]["archs"] == [list(arch) for arch in archs]
    (result,) = found.results
    assert (result.constants, len(result.regret)) == ({"steps": 5}, 6)
    assert min(result.low) >= 0


def test_what_is_outside_the_limit_is_no_result(accuracies, stub, tmp_path):
    class Careless(RandomSearch):
        def ask(self):
            return self.space.largest

    stub(Careless)
    with pytest.raises(RuntimeError, match="stub asked for what is not allowed"):
        compare(accuracies, ["stub"], budget=2, seeds=1, limit_macs=LIMIT, out=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_the_best_is_first_and_the_files_say_so(accuracies, stub, tmp_path):
    class Knowing(RandomSearch):
        def ask(self):
            return max(np.ndindex(self.space.choices), key=lambda arch: known.accuracy[arch])

    known = Bench.load(accuracies, None, None, None, single=False)
    stub(Knowing)
    found = compare(accuracies, ["random", "stub"], budget=3, seeds=2, out=tmp_path)
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
    found = compare(accuracies, ["random"], budget=5, seeds=1, latency=path, limit_ms=limit, out=tmp_path)
    assert (found.unit, found.limit, found.truth.allowed) == ("ms", limit, int((predicted <= limit).sum()))
    bench = Bench.load(accuracies, path, limit, None, single=False)
    assert bench.cost.ravel() == pytest.approx(predicted)


def figures(found):
    return [(one.strategy, one.low, one.regret, one.high, one.found, one.hypervolume) for one in found.results]


def test_ctrl_c_loses_only_the_run_in_progress(accuracies, stub, tmp_path):
    class Stopped(RandomSearch):
        def ask(self):
            asks.append(self)
            if len(asks) == stop:
                raise KeyboardInterrupt
            return super().ask()

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
    assert compare(accuracies, ["stub"], **options, out=tmp_path / "again").results == found.results
    assert asks == []


def test_workers_change_nothing(accuracies, tmp_path):
    one, two = (
        compare(accuracies, ["random"], budget=5, seeds=2, out=tmp_path / str(workers), workers=workers)
        for workers in (1, 2)
    )
    assert figures(one) == figures(two)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"budget": 4},
            r"random-0.json is of another comparison \(budget: 3, not 4\): remove it, or name another",
        ),
        ({"limit_macs": 5e7}, r"limit: 40000000.0, not 50000000.0"),
        ({"single": True}, r"single: False, not True"),
    ],
)
def test_runs_of_something_else_are_refused(accuracies, tmp_path, changes, words):
    options = {"budget": 3, "seeds": 1, "limit_macs": LIMIT, "out": tmp_path}
    compare(accuracies, ["random"], **options)
    with pytest.raises(InputError, match=words):
        compare(accuracies, ["random"], **{**options, **changes})


def test_runs_of_other_accuracies_are_refused(accuracies, tmp_path):
    compare(accuracies, ["random"], budget=3, seeds=1, out=tmp_path)
    rows = json.loads(accuracies.read_text())
    rows["00000000"]["test_acc"][0] += 1
    (tmp_path / "other.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"is of another comparison \(table: "):
        compare(tmp_path / "other.json", ["random"], budget=3, seeds=1, out=tmp_path)


@pytest.mark.parametrize("text", ["", '{"schema": 1}', '{"schema": 1, "request": []}', '{"schema": 2}', "[]"])
def test_a_damaged_run_is_refused(accuracies, tmp_path, text):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "random-0.json").write_text(text)
    with pytest.raises(InputError, match=r"random-0\.json is"):
        compare(accuracies, ["random"], budget=3, seeds=1, out=tmp_path)


@pytest.mark.parametrize(
    ("names", "options", "words"),
    [
        (["best"], {}, "no strategy 'best': there are proxyless, "),
        (["darts"], {}, "darts follows the gradient of shared weights, which a table of accuracies does not have"),
        ([], {}, "there are no strategies to compare"),
        (["random"], {"budget": 0}, "budget must be at least 1, not 0"),
        (["random"], {"seeds": 0}, "seeds must be at least 1, not 0"),
        (["random"], {"workers": 0}, "workers must be at least 1, not 0"),
        (
            ["random"],
            {"limit_macs": 5e6},
            "no network of nas-bench-macro has 5e.06 MACs or less: the least is 7.713",
        ),
        (["random"], {"limit_macs": float("nan")}, "has nan MACs or less"),
        (["random"], {"limit_macs": 7713280}, "a limit of 7.71328e.06 MACs leaves nothing to compare: allow more"),
        (["random"], {"limit_ms": 1.0}, "a limit in ms needs a latency table to predict with"),
        (["random"], {"latency": "pixel3.fbnet", "limit_macs": 1e7}, "the limit is in ms, not in MACs"),
        (["random"], {"latency": "pixel3.fbnet"}, "this latency table is of another kind"),
        (["random"], {"latency": "pixel9"}, "no latency table 'pixel9'"),
        (["random"], {"constants": {"random": {"size": 3}}}, "random has no constant 'size' here: there are none"),
        (["random"], {"constants": {"pnas": {"beam": 3}}}, "a constant is set for pnas, which is not compared"),
    ],
)
def test_a_mistake_is_one_line(accuracies, tmp_path, names, options, words):
    with pytest.raises(InputError, match=words):
        compare(accuracies, names, **{"budget": 2, "seeds": 1, "out": tmp_path / "out", **options})
    assert not (tmp_path / "out").exists()


def test_a_table_that_is_not_whole_is_refused(accuracies, tmp_path):
    rows = json.loads(accuracies.read_text())
    del rows["00000000"]
    (tmp_path / "part.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match="has 6560 of the 6561 networks"):
        compare(tmp_path / "part.json", ["random"], out=tmp_path / "out")
