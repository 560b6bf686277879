"""A device whose machine drifts, jitters and stalls like a real one, but whose true times are known."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwnas.devices.base import DeviceInfo
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot

OVERHEAD = 5e-6


def seconds_of(path: Path) -> float:
    """What the model of `path` takes when nothing disturbs: the overhead, and so much for each operator and weight."""
    graph = onnx.load(path).graph
    weights = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
    return OVERHEAD + 1e-5 * (len(graph.node) - 1) + 1e-8 * weights


class DriftingDevice:
    """Runs nothing; answers true times × a drift that wanders ±20 % over a session × jitter, one run in 20 stalled."""

    info = DeviceInfo("drifting", "none", "fake", "1", 1, "float32", 1, "none")

    def __init__(self, seed=0, clock=1.0):
        self.rng = np.random.default_rng(seed)
        self.clock, self.now, self.runs = clock, 0.0, 0
        self.models = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.models = None

    def load(self, key, path):
        self.models[key] = seconds_of(path)

    def unload(self, key):
        del self.models[key]

    def time(self, visits):
        return [np.array([self.run(self.models[key]) for _ in range(repeats)]) for key, repeats in visits]

    def run(self, seconds):
        self.runs += 1
        self.now += seconds
        drift = 1.2 + 0.2 * np.sin(7 * self.now)
        stall = 3 if self.rng.random() < 0.05 else 1
        return seconds * self.clock * drift * stall * (1 + 0.02 * self.rng.exponential())


@pytest.fixture
def true_seconds():
    return seconds_of


@pytest.fixture
def drifting():
    return DriftingDevice


@pytest.fixture(scope="session")
def space():
    """Three slots, of 3, 4 and 2 candidates."""
    slots = (
        Slot(tuple(Block("mbconv", 8, 8, 8, 8, k, expansion=2, act="relu6", residual=True) for k in (3, 5, 7))),
        Slot(
            (
                *(Block("mbconv", 8, 8, 8, 8, 3, expansion=e, act="relu", residual=True) for e in (1, 3, 6)),
                Block("skip", 8, 8, 8, 8),
            )
        ),
        Slot(tuple(Block("mbconv", 8, 16, 8, 8, 3, 2, e, act="relu6") for e in (3, 6))),
    )
    stem, head = Block("conv", 3, 8, 8, 8, 3, act="relu6"), Block("classifier", 16, 5, 4, 4)
    return SearchSpace("tiny", (stem, *slots, head))
