"""A device whose machine drifts, jitters and stalls like a real one, but whose true times are known."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from hwnas.devices.base import DeviceInfo, DeviceState
from hwnas.latency import samples, session
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.session import REFERENCE_KEY
from hwnas.latency.stats import Estimate
from hwnas.latency.table import LatencyTable, Networks, columns_of, write_arch
from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace, Slot

OVERHEAD = 5e-6


def seconds_of(path: Path) -> float:
    """What the model of `path` takes when nothing disturbs: the overhead, and so much for each operator and weight."""
    graph = onnx.load(path).graph
    weights = sum(int(np.prod(tensor.dims)) for tensor in graph.initializer)
    return OVERHEAD + 1e-5 * (len(graph.node) - 1) + 1e-8 * weights


class DriftingDevice:
    """Runs nothing; answers true times × a clock that wanders ±`wander` × jitter, one run in 20 stalled; in slow
    spells, which are a quarter of the time, × 1.34 for the reference and × 1.2 for anything else."""

    info = DeviceInfo("drifting", "none", "fake", "1", 1, "float32", 1, "none")
    jitter, stalls, wander, spells = 0.02, 0.05, 0.03, 0.25
    passed = 0.0
    """Seconds that runs took so far, on all devices."""

    def __init__(self, seed=0, clock=1.0):
        self.rng = np.random.default_rng(seed)
        self.clock, self.runs, self.start = clock, 0, DriftingDevice.passed
        self.phase = self.rng.uniform(0, 2 * np.pi)
        self.models = {}

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.models = {}

    @property
    def now(self):
        """Seconds that runs took since this device was made."""
        return DriftingDevice.passed - self.start

    def load(self, key, path):
        self.models[key] = seconds_of(path)

    def unload(self, key):
        del self.models[key]

    def time(self, visits):
        return [np.array([self.run(key) for _ in range(repeats)]) for key, repeats in visits]

    def state(self):
        return DeviceState()

    def run(self, key):
        self.runs += 1
        stall = 3 if self.rng.random() < self.stalls else 1
        seconds = self.models[key] * self.slowness(key) * stall * (1 + self.jitter * self.rng.exponential())
        DriftingDevice.passed += seconds
        return seconds

    def slowness(self, key):
        """How many times its true time a run takes now, but for what is random from run to run."""
        drift = 1 + self.wander * np.sin(7 * self.now + self.phase)
        in_spell = np.sin(20 * self.now + self.phase) > np.cos(np.pi * self.spells)
        return self.clock * drift * ((1.34 if key == REFERENCE_KEY else 1.2) if in_spell else 1)


@pytest.fixture(autouse=True)
def settles_soon(monkeypatch):
    """Slow spells are short on the device above, its clock wanders fast, and so sessions may be short."""
    monkeypatch.setattr(samples, "MIN_SECONDS", 0.9)


@pytest.fixture
def true_seconds():
    return seconds_of


@pytest.fixture
def drifting(monkeypatch):
    """The device to make; sessions go by its clock, so that the same seed gives the same figures on any machine."""
    monkeypatch.setattr(session, "monotonic", lambda: DriftingDevice.passed)
    monkeypatch.setattr(DriftingDevice, "passed", 0.0)
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


SIZES, WIDTHS = (8, 12), ((8, 16), (12, 24))
RESOLUTION, WIDTH = Choice("resolution", ("8", "12")), Choice("width", ("1", "1.5"))


def stage(number):
    """A layer of stride `number`, and two more that its depth may leave out; each has its own kernel."""
    depth = Choice(f"depth {number}", ("1", "2", "3"))

    def first(resolution, width, kernel):
        cin, cout = WIDTHS[width][0], WIDTHS[width][number - 1]
        return Block("mbconv", cin, cout, *[SIZES[resolution]] * 2, 3 + 2 * kernel, number, 3, act="relu")

    def later(index):
        def block(resolution, width, chosen, kernel):
            channels, size = WIDTHS[width][number - 1], SIZES[resolution] // number
            if chosen < index:
                return Block("skip", channels, channels, size, size)
            return Block("mbconv", channels, channels, size, size, 3 + 2 * kernel, 1, 3, act="relu", residual=True)

        return Elastic.of((RESOLUTION, WIDTH, depth, Choice(f"kernel {number} {index}", ("3", "5"))), block)

    return Elastic.of((RESOLUTION, WIDTH, Choice(f"kernel {number} 0", ("3", "5"))), first), later(1), later(2)


@pytest.fixture(scope="session")
def elastic():
    """Two stages of their own depth and kernels, at one width and resolution: 2304 architectures."""

    def stem(resolution, width):
        return Block("conv", 3, WIDTHS[width][0], SIZES[resolution], SIZES[resolution], 3, act="relu")

    def head(resolution, width):
        return Block("classifier", WIDTHS[width][1], 5, SIZES[resolution] // 2, SIZES[resolution] // 2)

    ends = (Elastic.of((RESOLUTION, WIDTH), block) for block in (stem, head))
    return SearchSpace("elastic", (next(ends), *stage(1), *stage(2), next(ends)))


@pytest.fixture(scope="session")
def table(space):
    """A table of `space` with made-up rows, whose networks are 3 % above and below an affine function of the sums."""
    rng = np.random.default_rng(0)

    def made_up(ms):
        return Estimate(ms, 0.99 * ms, 1.01 * ms, ms, ms, ms, ms, 10)

    rows = {block.key: made_up(float(rng.uniform(0.1, 1))) for block in space.blocks()}
    archs = [tuple(map(int, arch)) for arch in np.ndindex(*space.choices)]
    sums = np.array([sum(rows[b.key].ms for b in space.derive(a).blocks if b.op != "skip") for a in archs])
    ms = (0.1 + 1.2 * sums) * np.where(np.arange(len(archs)) % 2, 0.97, 1.03)
    networks = Networks(
        archs=tuple(map(write_arch, archs)),
        ms=tuple(ms.tolist()),
        low=tuple((0.99 * ms).tolist()),
        high=tuple((1.01 * ms).tolist()),
        halves=tuple(zip((0.98 * ms).tolist(), (1.02 * ms).tolist(), strict=True)),
    )
    fitted = LatencyPredictor(space, archs, ms, columns_of(space, rows, made_up(0.05)))
    return LatencyTable(
        space=space.name,
        classes=space.classes,
        fingerprint=space.fingerprint,
        device=DriftingDevice.info,
        date="2020-01-01T00:00:00+00:00",
        networks=networks,
        model=fitted.model,
        quality=fitted.quality,
        rows=rows,
        reference=made_up(0.1),
        overhead=made_up(0.05),
        precision=0.01,
        seconds=1.0,
    )
