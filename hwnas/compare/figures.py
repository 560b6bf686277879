"""What runs of a strategy come to: regret against the number of evaluations, and what share of the front was found."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .bench import Bench
from .run import Run

QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Truth:
    """The best of the networks that are `allowed`, so many: the greatest mean accuracy, and the front of it and cost.

    `reference` is the point that the front's `volume` is measured from: the least accuracy of the table, and the limit,
    or where all is allowed the greatest cost.
    """

    allowed: int
    optimum: float
    reference: tuple[float, float]
    volume: float

    @staticmethod
    def of(bench: Bench) -> "Truth":
        """Exactly, by looking at every network. Raises `InputError` where the limit leaves nothing to compare."""
        allowed = bench.limit.filter(list(np.ndindex(bench.cost.shape)))
        if not allowed:
            raise InputError(
                f"no network of {bench.space.name} has {bench.high:.6g} {bench.unit} or less: "
                f"the least is {bench.cost.min():.6g}",
                code="compare.nothing-allowed", limit=bench.high, least=float(bench.cost.min()),
            )  # fmt: skip
        accuracy, cost = bench.accuracy[bench.indices(allowed)], bench.costs(allowed)
        reference = float(bench.accuracy.min()), float(min(bench.high, bench.cost.max()))
        volume = hypervolume(accuracy, cost, reference)
        if not volume:
            raise InputError(f"a limit of {bench.high:.6g} {bench.unit} leaves nothing to compare: allow more",
                             code="compare.no-front", limit=bench.high)  # fmt: skip
        return Truth(len(allowed), float(accuracy.max()), reference, volume)


@dataclass(frozen=True)
class Result:
    """What all runs of a strategy come to: a median and quartiles over seeds of each figure.

    `low`, `regret` and `high` are the quartiles of the regret after each evaluation: how much less accurate than the
    best allowed network, as the table tells it, the one is that has scored best so far. `found` is the share of runs
    that ended without regret. `hypervolume` is that of all networks that a run asked for, as a share of the true one.
    `seconds` are those of the strategy itself over all evaluations.
    """

    strategy: str
    constants: dict[str, object]
    low: tuple[float, ...]
    regret: tuple[float, ...]
    high: tuple[float, ...]
    found: float
    hypervolume: tuple[float, ...]
    seconds: tuple[float, ...]

    @staticmethod
    def of(strategy: str, constants: dict[str, object], runs: Sequence[Run], bench: Bench, truth: Truth) -> "Result":
        """The figures of `runs`, one a seed."""
        regret = np.array([regrets(run, bench, truth.optimum) for run in runs])
        low, middle, high = np.quantile(regret, QUARTILES, axis=0).tolist()
        volumes = [_volume(run, bench, truth) for run in runs]
        return Result(
            strategy=strategy,
            constants=constants,
            low=tuple(low),
            regret=tuple(middle),
            high=tuple(high),
            found=float(np.mean(regret[:, -1] == 0)),
            hypervolume=tuple(np.quantile(volumes, QUARTILES).tolist()),
            seconds=tuple(np.quantile([run.seconds for run in runs], QUARTILES).tolist()),
        )


def regrets(run: Run, bench: Bench, optimum: float) -> np.ndarray:
    """`optimum` less the true mean accuracy of the network that scored best so far, after each evaluation: (N,).

    Of several that scored alike it is the first.
    """
    scores = np.array(run.scores)
    rises = np.append(True, scores[1:] > np.maximum.accumulate(scores)[:-1])
    best = np.maximum.accumulate(np.where(rises, np.arange(len(scores)), 0))
    left: np.ndarray = optimum - bench.accuracy[bench.indices(run.archs)][best]
    return left


def _volume(run: Run, bench: Bench, truth: Truth) -> float:
    accuracy, cost = bench.accuracy[bench.indices(run.archs)], bench.costs(run.archs)
    return hypervolume(accuracy, cost, truth.reference) / truth.volume


def hypervolume(accuracy: np.ndarray, cost: np.ndarray, reference: tuple[float, float]) -> float:
    """The area that networks of `accuracy` (N,) and `cost` (N,) dominate, down to the `reference` accuracy and up to
    the reference cost; those beyond either count only as far as they are within."""
    order = np.argsort(cost)
    least, most = reference
    best = np.maximum(np.maximum.accumulate(accuracy[order]), least) - least
    return float(best @ np.diff(np.minimum(cost[order], most), append=most))
