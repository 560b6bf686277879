"""Which networks are measured, against the covariances that the choice is about."""

import numpy as np
import pytest

from hwnas.latency import active
from hwnas.latency.active import most_uncertain, sample_architectures
from hwnas.latency.predictor import LatencyPredictor
from hwnas.space import registry

SPACE = registry.get("proxyless-32", 4)


def fitted(space, count, noise):
    rng = np.random.default_rng(0)
    archs = np.array([space.sample(rng) for _ in range(count)])
    return LatencyPredictor(space, archs, (2 + archs.sum(axis=1)) * (1 + noise * rng.normal(size=count)))


def pool_of(space, count=1000):
    rng = np.random.default_rng(5)
    return list(dict.fromkeys(space.sample(rng) for _ in range(count)))


def test_the_widest_is_the_first():
    predictor, pool = fitted(SPACE, 20, 0.03), pool_of(SPACE)
    relative = predictor.deviation(pool) / predictor.cost(pool)
    (first,) = most_uncertain(predictor, 1, np.random.default_rng(5))
    assert first == pool[relative.argmax()]


def test_each_is_the_widest_once_those_before_are_measured(monkeypatch):
    """By conditioning the covariance of the whole pool on one after another."""
    monkeypatch.setattr(active, "POOL", 100)
    predictor, pool = fitted(SPACE, 20, 0.03), pool_of(SPACE, 100)
    factors, noise = predictor.uncertainty(pool)
    covariance, expected = factors @ factors.T, []
    for _ in range(8):
        best = int(np.diag(covariance).argmax())
        expected.append(pool[best])
        covariance = covariance - np.outer(covariance[best], covariance[best]) / (covariance[best, best] + noise**2)
    assert most_uncertain(predictor, 8, np.random.default_rng(5)) == expected
    widest = np.argsort(-(factors**2).sum(axis=1))[:8]
    assert expected != [pool[index] for index in widest], "they would be much alike"


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_none_comes_twice(space, noise):
    """Not even where noise leaves those that were chosen the widest, nor where the space has no more."""
    found = most_uncertain(fitted(space, 10, noise), 20, np.random.default_rng(0))
    assert len(set(found)) == 20
    assert len(most_uncertain(fitted(space, 10, noise), 50, np.random.default_rng(0))) == space.size == 24


def test_none_is_measured_again(space):
    predictor, archs = fitted(space, 10, 0.3), set(np.ndindex(*space.choices))
    measured = set(sorted(archs)[:20])
    assert set(most_uncertain(predictor, 20, np.random.default_rng(0), measured)) == archs - measured
    assert most_uncertain(predictor, 20, np.random.default_rng(0), archs) == []


def test_measuring_them_teaches_more_than_measuring_random_ones():
    predictor = fitted(SPACE, 15, 0.03)
    asked = pool_of(SPACE)
    chosen = most_uncertain(predictor, 15, np.random.default_rng(1))
    drawn = sample_architectures(SPACE, 15, seed=1, even=False)

    def left(archs):
        """Mean variance that is left at `asked` after `archs`."""
        factors, noise = predictor.uncertainty([*asked, *archs])
        mine, measured = factors[: len(asked)], factors[len(asked) :]
        shared = mine @ measured.T
        taken = np.linalg.solve(measured @ measured.T + noise**2 * np.eye(len(measured)), shared.T)
        return np.mean((mine**2).sum(axis=1) - np.einsum("nk,kn->n", shared, taken))

    assert left(chosen) < 0.95 * left(drawn) < left([])


def test_drawn_over_the_whole_range():
    macs = [
        [SPACE.derive(arch).macs for arch in sample_architectures(SPACE, 60, seed=0, even=even)]
        for even in (False, True)
    ]
    assert len(set(sample_architectures(SPACE, 60, seed=0))) == 60
    assert min(macs[1]) < 0.8 * min(macs[0])
    assert max(macs[1]) > 1.1 * max(macs[0])
    assert (
        sample_architectures(SPACE, 60, seed=0)
        == sample_architectures(SPACE, 60, seed=0)
        != sample_architectures(SPACE, 60, seed=1)
    )
