"""The neural predictor of the benchmarks, small and briefly trained, on sums that it can learn."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from hwnas.space import registry

PATH = Path(__file__).parents[2] / "benchmarks" / "mlp_predictor.py"
SPEC = importlib.util.spec_from_file_location("mlp_predictor", PATH)
mlp = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(mlp)
MlpPredictor = mlp.MlpPredictor

SPACE = registry.get("proxyless-32", 4)
COSTS = np.random.default_rng(0).uniform(0.1, 1, (9, 7))


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(mlp, "WIDTH", 64)
    monkeypatch.setattr(mlp, "STEPS", 600)


def drawn(count, seed=0):
    return np.random.default_rng(seed).integers(0, SPACE.choices, (count, 9))


def ms(archs):
    return COSTS[range(9), archs].sum(axis=1)


def test_learns_sums_from_hundreds_of_networks():
    archs, asked = drawn(500), drawn(300, 1)
    found = MlpPredictor(SPACE, archs, ms(archs)).cost(asked)
    assert np.corrcoef(found, ms(asked))[0, 1] > 0.9
    assert np.mean(np.abs(found - ms(asked))) < 0.4 * np.mean(np.abs(ms(asked) - ms(archs).mean()))


def test_the_seed_decides():
    archs = drawn(50)
    first, again, other = (MlpPredictor(SPACE, archs, ms(archs), seed).cost(archs) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_expected():
    archs = drawn(50)
    found = MlpPredictor(SPACE, archs, ms(archs))
    for arch in archs[:5]:
        certain = torch.from_numpy(SPACE.encode(tuple(arch)))
        assert found.expected(certain).item() == pytest.approx(found.cost([arch])[0], rel=1e-5)
    first, second = (torch.from_numpy(SPACE.encode(tuple(arch))) for arch in archs[:2])
    probs = (0.9 * first + 0.1 * second).requires_grad_()
    before = found.expected(probs)
    before.backward()
    step = 1e-2 * (second - first)
    change = found.expected(probs.detach() + step) - before
    assert change.item() == pytest.approx((probs.grad * step).sum().item(), rel=0.1)
