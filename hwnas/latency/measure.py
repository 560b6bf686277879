"""Measure models on a device until the estimates are as precise as asked, or the time is up.

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

STABLE = 0.05
"""A model is warm when the median of a visit's runs is so near to that of the visit before."""

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


class _Session:
    """Models loaded on a device beside the reference, and how often to run each in a visit."""

    def __init__(self, device: Device, models: Mapping[str, Path], samples: Samples) -> None:
        self.device, self.samples = device, samples
        self.conditions = Conditions(device, samples)
        self.unstable: list[str] = []
        self.runs = {key: self._load(key, path) for key, path in models.items()}
        with tempfile.TemporaryDirectory() as folder:
            self._load(REFERENCE_KEY, save(REFERENCE, Path(folder) / "reference.onnx"))
        (reference,) = device.time([(REFERENCE_KEY, REFERENCE_RUNS)])
        self.before = float(reference.min())
        self.conditions.read()

    def _load(self, key: str, path: Path) -> int:
        """Load a model and warm it up; how many of its runs are counted in a visit."""
        self.device.load(key, path)
        seconds, stable = _warm_up(self.device, key)
        if not stable:
            self.unstable.append(key)
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
        """Visit each of `keys` once, and read the state of the device now and then."""
        for key in keys:
            self.visit(key)
            self.conditions.read_if_due()

    def close(self) -> None:
        """Read the state of the device at the end, and unload everything."""
        self.conditions.read()
        for key in (REFERENCE_KEY, *self.runs):
            self.device.unload(key)


def _warm_up(device: Device, key: str) -> tuple[np.ndarray, bool]:
    """Run a model until its running median is stable: the seconds of the last runs, and whether it was."""
    spent = 0.0
    (seconds,) = device.time([(key, 3)])
    for _ in range(WARM_UP_VISITS):
        before, spent = np.median(seconds), spent + seconds.sum()
        (seconds,) = device.time([(key, int(np.clip(np.ceil(VISIT / seconds.min()), 3, 20)))])
        stable = abs(np.median(seconds) / before - 1) <= STABLE
        if stable or spent >= WARM_UP:
            break
    return seconds, bool(stable)


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
    on_round: Callable[[Samples], None] = lambda samples: None,
) -> Measurement:
    """Measure every model of `models` (ONNX files by key) on a device that is up.

    Stops when the half-width of every 95 % interval, the reference time taken as exact, is under `precision` of its
    estimate, or after `time_limit` seconds of measuring, but never before `MIN_ROUNDS` rounds. Estimates are scaled to
    the session's own reference time, whose uncertainty then is part of their intervals, or to `reference_seconds`: that
    of an earlier session makes the two comparable although the clock has changed in between. `samples` continues an
    interrupted session; `on_round` is called after each round with all samples so far; `report` with the number of
    models that are precise enough. Raises `InputError` for a model that does not run.
    """
    _require_request(models, precision, time_limit)
    samples = Samples() if samples is None else samples
    rng = np.random.default_rng(seed)
    session = _Session(device, models, samples)
    pending = samples.pending(models, precision, reference_seconds) if samples.reference else list(models)
    while not _done(samples, models, pending, reference_seconds, time_limit):
        session.round(rng.permutation(pending or list(models)).tolist())
        pending = samples.pending(models, precision, reference_seconds)
        on_round(samples)
        report(len(models) - len(pending), f"{len(pending)} to go")
    session.close()
    return Measurement(
        estimates=samples.estimates(models, reference_seconds),
        reference_seconds=samples.reference_seconds if reference_seconds is None else reference_seconds,
        own_reference_seconds=samples.reference_seconds,
        imprecise=tuple(pending),
        flags=(*_unfinished(session, pending, precision), *flags(samples, reference_seconds)),
    )


def _require_request(models: Mapping[str, Path], precision: float, time_limit: float) -> None:
    """Raise `InputError` for nothing to measure, and for limits that no session meets."""
    if REFERENCE_KEY in models or not models:
        raise InputError(f"there must be models to measure, none named {REFERENCE_KEY!r}", code="measure.models")
    if not (precision > 0 and time_limit > 0):
        raise InputError(
            f"precision {precision} and time limit {time_limit} must both be above 0",
            code="measure.limits", precision=precision, time_limit=time_limit,
        )  # fmt: skip


def _unfinished(session: _Session, imprecise: Sequence[str], precision: float) -> Iterator[str]:
    """Flags of intervals that are wider than asked, and of warm-ups that did not end."""
    if imprecise:
        yield f"time limit: the interval of {len(imprecise)} of {len(session.runs)} is wider than ±{precision:.1%}"
    if session.unstable:
        yield f"warm-up: the times of {len(session.unstable)}, such as {session.unstable[0]}, never settled"


def _done(
    samples: Samples, keys: Iterable[str], pending: Sequence[str], reference_seconds: float | None, limit: float
) -> bool:
    """Whether a session may end. One without an earlier reference time must be long enough to know its own."""
    if min(len(samples.visits[key]) for key in keys) < MIN_ROUNDS:
        return False
    precise = not pending and (samples.long_enough or reference_seconds is not None)
    return precise or samples.elapsed >= limit


def measure_nets(
    device: Device,
    nets: Sequence[Net],
    *,
    precision: float = 0.01,
    time_limit: float = 60.0,
    reference_seconds: float | None = None,
    report: Report = silent,
) -> list[Estimate]:
    """The latency of each of `nets` with random weights, in order; the rest is as `measure` takes it."""
    with tempfile.TemporaryDirectory() as folder:
        models = {str(index): save(net, Path(folder) / f"{index}.onnx") for index, net in enumerate(nets)}
        found = measure(
            device,
            models,
            precision=precision,
            time_limit=time_limit,
            reference_seconds=reference_seconds,
            report=report,
        ).estimates
    return [found[key] for key in models]
