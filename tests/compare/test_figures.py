"""The figures of a comparison: by hand, and against counts."""

import json

import numpy as np
import pytest

from hwnas.compare.bench import Bench
from hwnas.compare.figures import Result, Truth, hypervolume, regrets
from hwnas.compare.run import Run
from hwnas.space import registry
from hwnas.space.space import SearchSpace


def small(high=6.0):
    """Two slots of three options: nine networks whose accuracies and costs can be looked at."""
    accuracy = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]])
    cost = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])
    trials = accuracy[..., None] + np.array([-0.05, 0.05])
    space = SearchSpace("small", registry.get("nas-bench-macro").parts[:3])
    return Bench(space, accuracy, trials, cost, "ms", high, single=False, identity={})


def asked(*archs, scores):
    return Run(archs, scores, seconds=1.0)


def test_regret_is_of_what_scored_best_so_far():
    """Told one thing and true another: the second network scores more and is worse, the fourth scores as much."""
    run = asked((0, 2), (0, 1), (0, 0), (1, 2), (1, 1), scores=(0.5, 0.7, 0.6, 0.7, 0.8))
    assert regrets(run, small(), optimum=0.6) == pytest.approx([0.3, 0.4, 0.4, 0.4, 0.1])


def test_figures_are_quartiles_over_seeds():
    bench = small()
    truth = Truth.of(bench)
    runs = [asked((0, 2), (1, column), scores=(0.2, 0.5)) for column in (0, 0, 1, 2, 2)]
    found = Result.of("a", {}, runs, bench, truth)
    assert (found.low, found.regret, found.high) == tuple(map(pytest.approx, ((0.3, 0.0), (0.3, 0.1), (0.3, 0.2))))
    assert found.found == pytest.approx(2 / 5)
    assert found.seconds == (1.0, 1.0, 1.0)


def test_the_truth_is_within_the_limit():
    truth = Truth.of(small(high=6.0))
    assert (truth.allowed, truth.optimum, truth.reference) == (6, 0.6, (0.1, 6.0))
    assert truth.volume == pytest.approx(0.1 + 0.2 + 0.3 + 0.4)
    everything = Truth.of(small(high=np.inf))
    assert (everything.allowed, everything.optimum, everything.reference) == (9, 0.9, (0.1, 9.0))


def test_a_front_found_in_part_has_a_part_of_the_volume():
    bench = small()
    truth = Truth.of(bench)
    found = Result.of("a", {}, [asked((1, 0), (0, 0), scores=(0.4, 0.1))], bench, truth)
    assert found.hypervolume[1] == pytest.approx(2 * 0.3 / 1.0)
    whole = Result.of("a", {}, [asked(*np.ndindex(2, 3), scores=(0.0,) * 6)], bench, truth)
    assert whole.hypervolume[1] == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(20))
def test_the_hypervolume_is_the_area_that_is_dominated(seed):
    """Of whole numbers it is a count of squares."""
    rng = np.random.default_rng(seed)
    accuracy, cost = rng.integers(0, 12, (2, 8))
    least, most = 3, 9
    squares = sum(
        bool(((accuracy >= up + 1) & (cost <= right)).any()) for up in range(least, 12) for right in range(most)
    )
    assert hypervolume(accuracy.astype(float), cost.astype(float), (least, most)) == squares


def test_macs_and_accuracies_are_those_of_the_networks(accuracies):
    bench = Bench.load(accuracies, None, None, 40e6, single=False)
    space = registry.get("nas-bench-macro")
    rows = json.loads(accuracies.read_text())
    for arch in [(0,) * 8, (2,) * 8, (0, 1, 2, 2, 1, 0, 1, 1)]:
        assert bench.cost[arch] == space.derive(arch).macs
        assert 100 * bench.accuracy[arch] == pytest.approx(rows["".join(map(str, arch))]["mean_acc"])
    archs = [(0,) * 8, (0, 1, 2, 2, 1, 0, 1, 1)]
    assert bench.limit.cost(archs).tolist() == [space.derive(arch).macs for arch in archs]
    assert bench.costs([]).shape == (0,)


def test_a_single_training_is_drawn_by_the_seed(accuracies):
    single, mean = (Bench.load(accuracies, None, None, None, single) for single in (True, False))
    told = single.scores(3)
    drawn = told[..., None] == single.trials
    assert drawn.any(axis=-1).all()
    assert drawn.sum(axis=tuple(range(8))) == pytest.approx([6561 / 3] * 3, rel=0.1)
    assert (told == single.scores(3)).all()
    assert (told != single.scores(4)).mean() == pytest.approx(2 / 3, abs=0.05)
    assert (mean.scores(3) == mean.accuracy).all()
