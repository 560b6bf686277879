"""Measures models on a device until the answers are as exact as asked, or the time is up.

Each model is run until its times have settled. A round then visits every one that is not yet exact enough, in random
order. A visit runs one model a few times in a row, between two visits to the reference network. The first run of a
visit is not counted: whole networks, run after run, have their weights near. The reference also leaves the caches as
it always does, so that a model is not judged by which one ran before it.

A shared machine has spells, here of 0.05 to 3 s, in which something else uses half of the core. All slows down, but
not alike: small networks to 1.34 times, large blocks to 1.16 times, so a ratio to the reference does not undo it. Only
visits count during which the reference was as quick as it ever is; among those the ratio takes out the slow drift of
the clock. `benchmarks/estimators.py` compares this with other statistics of the same times; see its results.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np

from ..devices.base import Device
from ..errors import InputError
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

SETTLED = 0.05
"""A model is warm when the median of a visit's runs is so near to that of the visit before."""

WARM_UP_VISITS = 50
WARM_UP = 1.0
"""Visits, and seconds of running, after which a model that has not settled is measured all the same."""


@dataclass(frozen=True)
class Measurement:
    """Estimates by key, told at `pace` (seconds of the reference network; `own_pace` is this session's).

    `late` are the keys whose interval was still too wide when the time was up, where the pace counts as known.
    `flags` say what was not as it should be or as asked, each in a sentence.
    """

    estimates: dict[str, Estimate]
    reference_seconds: float
    own_reference_seconds: float
    late: tuple[str, ...]
    flags: tuple[str, ...] = ()


class _Session:
    """Models loaded on a device beside the reference, and how often to run each in a visit."""

    def __init__(self, device: Device, models: Mapping[str, Path], samples: Samples) -> None:
        self.device, self.samples = device, samples
        self.conditions = Conditions(device, samples)
        self.unsettled: list[str] = []
        self.runs = {key: self._load(key, path) for key, path in models.items()}
        with tempfile.TemporaryDirectory() as folder:
            self._load(REFERENCE_KEY, save(REFERENCE, Path(folder) / "reference.onnx"))
        (reference,) = device.time([(REFERENCE_KEY, REFERENCE_RUNS)])
        self.before = float(reference.min())
        self.conditions.read()

    def _load(self, key: str, path: Path) -> int:
        """Load a model and warm it up; how many of its runs are counted in a visit."""
        self.device.load(key, path)
        seconds, settled = _warm_up(self.device, key)
        if not settled:
            self.unsettled.append(key)
        return int(np.clip(np.ceil(VISIT / seconds.min()), 1, 20))

    def visit(self, key: str) -> None:
        """Time the model `key` once, and the reference after it."""
        started = monotonic()
        seconds, reference = self.device.time([(key, 1 + self.runs[key]), (REFERENCE_KEY, REFERENCE_RUNS)])
        before, self.before = self.before, float(reference.min())
        self.samples.reference.append(self.before)
        self.samples.visits[key].append((seconds[1:], (before + self.before) / 2))
        self.samples.elapsed += monotonic() - started

    def round(self, keys: Sequence[str]) -> None:
        """Visit each of `keys` once, and see how the device is now and then."""
        for key in keys:
            self.visit(key)
            self.conditions.read_if_due()

    def close(self) -> None:
        """See how the device is at the end, and unload everything."""
        self.conditions.read()
        for key in (REFERENCE_KEY, *self.runs):
            self.device.unload(key)


def _warm_up(device: Device, key: str) -> tuple[np.ndarray, bool]:
    """Run a model until its running median settles: the seconds of the last runs, and whether it did."""
    spent = 0.0
    (seconds,) = device.time([(key, 3)])
    for _ in range(WARM_UP_VISITS):
        before, spent = np.median(seconds), spent + seconds.sum()
        (seconds,) = device.time([(key, int(np.clip(np.ceil(VISIT / seconds.min()), 3, 20)))])
        settled = abs(np.median(seconds) / before - 1) <= SETTLED
        if settled or spent >= WARM_UP:
            break
    return seconds, bool(settled)


def measure(
    device: Device,
    models: Mapping[str, Path],
    *,
    precision: float = 0.01,
    time_limit: float = 60.0,
    seed: int = 0,
    reference_seconds: float | None = None,
    samples: Samples | None = None,
    report: Report = silent,
    keep: Callable[[Samples], None] = lambda samples: None,
) -> Measurement:
    """Measure every model of `models` (ONNX files by key) on a device that is up.

    Stops when the half-width of every 95 % interval, were the pace known, is under `precision` of its estimate, or
    after `time_limit` seconds of measuring, but never before `MIN_ROUNDS` rounds. Estimates are told at the session's
    own pace, whose uncertainty then is part of their intervals, or at `pace`: that of an earlier session makes the two
    comparable although the clock has changed in between. `samples` continues an interrupted session; `keep` is called
    after each round with all samples so far; `report` with the number of models that are exact enough. Raises
    `InputError` for a model that does not run.
    """
    if REFERENCE_KEY in models or not models:
        raise InputError(f"there must be models to measure, none named {REFERENCE_KEY!r}")
    if not (precision > 0 and time_limit > 0):
        raise InputError(f"precision {precision} and time limit {time_limit} must both be above 0")
    samples = Samples() if samples is None else samples
    rng = np.random.default_rng(seed)
    session = _Session(device, models, samples)
    pending = samples.pending(models, precision, reference_seconds) if samples.reference else list(models)
    while not _done(samples, models, pending, reference_seconds, time_limit):
        session.round(rng.permutation(pending or list(models)).tolist())
        pending = samples.pending(models, precision, reference_seconds)
        keep(samples)
        report(len(models) - len(pending), f"{len(pending)} to go")
    session.close()
    told_at, estimates = (
        samples.reference_seconds if reference_seconds is None else reference_seconds,
        samples.estimates(models, reference_seconds),
    )
    found = *_unfinished(session, pending, precision), *flags(samples, reference_seconds)
    return Measurement(estimates, told_at, samples.reference_seconds, tuple(pending), found)


def _unfinished(session: _Session, late: Sequence[str], precision: float) -> Iterator[str]:
    """What did not come to its end: intervals, and warm-ups."""
    if late:
        yield f"time limit: the interval of {len(late)} of {len(session.runs)} is wider than ±{precision:.1%}"
    if session.unsettled:
        yield f"warm-up: the times of {len(session.unsettled)}, such as {session.unsettled[0]}, never settled"


def _done(
    samples: Samples, keys: Iterable[str], pending: Sequence[str], reference_seconds: float | None, limit: float
) -> bool:
    """Whether a session may end. One without an earlier pace must be long enough to know its own."""
    if min(len(samples.visits[key]) for key in keys) < MIN_ROUNDS:
        return False
    exact = not pending and (samples.settled or reference_seconds is not None)
    return exact or samples.elapsed >= limit


def measure_nets(device: Device, nets: Sequence[Net], **options: object) -> list[Estimate]:
    """The latency of each of `nets` with random weights, in order; `options` are `measure`'s."""
    with tempfile.TemporaryDirectory() as folder:
        models = {str(index): save(net, Path(folder) / f"{index}.onnx") for index, net in enumerate(nets)}
        found = measure(device, models, **options).estimates
    return [found[key] for key in models]
