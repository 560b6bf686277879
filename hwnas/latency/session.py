"""One session of measuring: models loaded beside the reference network, visited round after round.

Each model is run until its times are stable. A round then visits every one that is not yet precise enough, in random
order. A visit runs one model a few times in a row, between two visits to the reference network. The first run of a
visit is not counted: whole networks that run again and again have their weights in the cache. The reference also leaves
the caches in one state, so that the time of a model does not depend on which one ran before it.

A shared machine has spells, here of 0.05 to 3 s, in which something else uses half of the core. All slows down, but
not alike: small networks to 1.34 times, large blocks to 1.16 times, so a ratio to the reference does not undo it. Only
visits count during which the reference was as quick as it ever is; among those the ratio takes out the slow drift of
the clock. `benchmarks/estimators.py` compares this with other statistics of the same times; see its results.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from ..clock import Clock
from ..devices.base import Device
from ..progress import Report, silent
from ..space.net import Block, Net
from .conditions import Conditions, flags
from .graph import save
from .samples import Samples
from .stats import Estimate

REFERENCE = Net(
    (
        Block("conv", 3, 16, 64, 64, 3, 2, act="relu6"),
        Block("mbconv", 16, 24, 32, 32, 3, 2, 3, act="relu6"),
        Block("mbconv", 24, 24, 16, 16, 3, 1, 6, act="relu6", residual=True),
        Block("mbconv", 24, 40, 16, 16, 5, 2, 3, act="relu6"),
        Block("mbconv", 40, 40, 8, 8, 3, 1, 6, act="relu6", residual=True),
        Block("classifier", 40, 10, 8, 8),
    ),
    "reference",
)
"""Timed beside everything: every kind of layer, and weights of 0.2 MB, which are soon back in a cache after a model
that filled it (one of 1.6 MB took 15 runs for that here)."""

REFERENCE_KEY = "reference"
REFERENCE_RUNS = 12
VISIT = 2e-3
"""Seconds that the counted runs of a visit should last together; they are 20 at most."""

MIN_ROUNDS = 8

STABLE = 0.05
"""A model is warm when the median of a visit's runs is so near to that of the visit before."""

WARM_UP_RUNS = 1
"""Runs at least that are compared so: of a model that takes longer than `VISIT`, each run with the one before. It was
run when it was loaded, too, and the first run of every visit is not counted. With three runs, 100 networks of
`mobilenetv3` took 5.8 s to warm up, not 2.7."""

WARM_UP_VISITS = 50
WARM_UP = 1.0
"""Visits, and seconds of running, after which a model whose times are not stable is measured all the same."""


@dataclass(frozen=True)
class Measurement:
    """Estimates by key, scaled to the reference time `reference_seconds`; `own_reference_seconds` is this session's.

    `imprecise` are the keys whose interval was still too wide when the time was up, with the reference time taken as
    exact. `flags` say what was not as it should be or as asked, each in a sentence.
    """

    estimates: dict[str, Estimate]
    reference_seconds: float
    own_reference_seconds: float
    imprecise: tuple[str, ...]
    flags: tuple[str, ...] = ()


class Session:
    """Models loaded on a `device` that is up, and measured beside the reference network.

    Times go into `samples`, those of an interrupted session or new ones; `clock` counts what each part takes.
    """

    def __init__(self, device: Device, samples: Samples | None = None, clock: Clock | None = None) -> None:
        self.device, self.clock = device, clock or Clock()
        self.samples = Samples() if samples is None else samples
        self.conditions = Conditions(device, self.samples)
        self.unstable: list[str] = []
        self.runs: dict[str, int] = {}
        self._reference_loaded = False

    def load(self, key: str, path: Path) -> None:
        """Load the model of a file, which may be removed then."""
        with self.clock.part("loading"):
            self.device.load(key, path)

    def warm_up(self, key: str) -> None:
        """Run a loaded model until its times are stable, which tells how often it is to run in a visit."""
        with self.clock.part("warming_up"):
            seconds, stable = _warm_up(self.device, key)
        if not stable:
            self.unstable.append(key)
        self.runs[key] = int(np.clip(np.ceil(VISIT / seconds.min()), 1, 20))

    def _load_reference(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            self.load(REFERENCE_KEY, save(REFERENCE, Path(folder) / "reference.onnx"))
        self.warm_up(REFERENCE_KEY)
        del self.runs[REFERENCE_KEY]  # which is in every visit
        self._reference_loaded = True

    def measure(
        self,
        *,
        precision: float = 0.01,
        time_limit: float = 60.0,
        seed: int = 0,
        reference_seconds: float | None = None,
        report: Report = silent,
        on_round: Callable[[Samples], None] = lambda samples: None,
    ) -> Measurement:
        """Measure every model that is loaded until each is precise, or the time is up: see the function `measure`. It
        may be called again, with more models loaded."""
        if not self._reference_loaded:
            self._load_reference()
        with self.clock.part("warming_up"):
            (reference,) = self.device.time([(REFERENCE_KEY, REFERENCE_RUNS)])
        self.before = float(reference.min())
        self.conditions.read()
        samples, keys, rng = self.samples, list(self.runs), np.random.default_rng(seed)
        pending = self._pending(precision, reference_seconds) if samples.reference else keys
        while not _done(samples, keys, pending, reference_seconds, time_limit):
            self._round(rng.permutation(pending or keys).tolist())
            pending = self._pending(precision, reference_seconds)
            on_round(samples)
            report(len(keys) - len(pending), f"{len(pending)} to go")
        self.conditions.read()
        with self.clock.part("estimating"):
            return Measurement(
                estimates=samples.estimates(keys, reference_seconds),
                reference_seconds=samples.reference_seconds if reference_seconds is None else reference_seconds,
                own_reference_seconds=samples.reference_seconds,
                imprecise=tuple(pending),
                flags=(*self._unfinished(pending, precision), *flags(samples, reference_seconds)),
            )

    def close(self) -> None:
        """Unload everything."""
        for key in (*[REFERENCE_KEY] * self._reference_loaded, *self.runs):
            self.device.unload(key)

    def _round(self, keys: Sequence[str]) -> None:
        """Visit each of `keys` once, and read the state of the device now and then."""
        for key in keys:
            with self.clock.part("measuring"):
                self._visit(key)
            self.conditions.read_if_due()

    def _visit(self, key: str) -> None:
        """Time the model `key` once, and the reference after it."""
        started = monotonic()
        seconds, reference = self.device.time([(key, 1 + self.runs[key]), (REFERENCE_KEY, REFERENCE_RUNS)])
        before, self.before = self.before, float(reference.min())
        self.samples.reference.append(self.before)
        self.samples.visits[key].append((seconds[1:], (before + self.before) / 2))
        self.samples.elapsed += monotonic() - started

    def _pending(self, precision: float, reference_seconds: float | None) -> list[str]:
        with self.clock.part("estimating"):
            return self.samples.pending(self.runs, precision, reference_seconds)

    def _unfinished(self, imprecise: Sequence[str], precision: float) -> Iterator[str]:
        """Flags of intervals that are wider than asked, and of warm-ups that did not end."""
        if imprecise:
            yield f"time limit: the interval of {len(imprecise)} of {len(self.runs)} is wider than ±{precision:.1%}"
        if self.unstable:
            yield f"warm-up: the times of {len(self.unstable)}, such as {self.unstable[0]}, never settled"


def _warm_up(device: Device, key: str) -> tuple[np.ndarray, bool]:
    """Run a model until its running median is stable: the seconds of the last runs, and whether it was."""
    spent = 0.0
    (seconds,) = device.time([(key, WARM_UP_RUNS)])
    for _ in range(WARM_UP_VISITS):
        before, spent = np.median(seconds), spent + seconds.sum()
        (seconds,) = device.time([(key, int(np.clip(np.ceil(VISIT / seconds.min()), WARM_UP_RUNS, 20)))])
        stable = abs(np.median(seconds) / before - 1) <= STABLE
        if stable or spent >= WARM_UP:
            break
    return seconds, bool(stable)


def _done(
    samples: Samples, keys: Iterable[str], pending: Sequence[str], reference_seconds: float | None, limit: float
) -> bool:
    """Whether a session may end. One without an earlier reference time must be long enough to know its own."""
    if min(len(samples.visits[key]) for key in keys) < MIN_ROUNDS:
        return False
    precise = not pending and (samples.long_enough or reference_seconds is not None)
    return precise or samples.elapsed >= limit
