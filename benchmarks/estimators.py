"""Which statistic of the same raw times repeats best from session to session, and sums best to whole networks.

    python benchmarks/estimators.py [--space proxyless-32] [--sessions 4] [--pause 30] [--save benchmarks/results/...]

Each session measures every block of the space and random whole networks as `hwnas profile` does, in a new process on
the device, for a fixed time. Then each statistic is computed from all raw times of each session. `blocks` and `nets`
are relative differences between sessions: the median over blocks (networks), averaged over pairs of sessions, and for
the worst pair. `rmspe` and `spearman` are of the sums of blocks against the networks, after the fit; session means.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from record import record

from hwnas import devices
from hwnas.latency.active import sample_architectures
from hwnas.latency.graph import save
from hwnas.latency.measure import measure
from hwnas.latency.profile import EMPTY
from hwnas.latency.quality import errors
from hwnas.latency.samples import Samples
from hwnas.latency.stats import Visit, estimate, is_quiet
from hwnas.space import registry
from hwnas.space.space import Arch, SearchSpace

Statistic = Callable[[list[Visit], float, float], float]
"""Of the visits to one model, the session's own reference time and the one to tell it at; ms."""


def over_all(q: float) -> Statistic:
    """The `q`-quantile of all runs, whatever the reference did."""
    return lambda visits, own, told: 1e3 * float(np.quantile(np.concatenate([times for times, _ in visits]), q))


def ratio(visit: Callable[[np.ndarray], float], quiet: bool) -> Statistic:
    """The median over (quiet) visits of what `visit` makes of one, over the reference beside it."""

    def statistic(visits: list[Visit], own: float, told: float) -> float:
        counted = [found for found in visits if is_quiet(found, own)] if quiet else []
        return 1e3 * told * float(np.median([visit(times) / beside for times, beside in counted or visits]))

    return statistic


STATISTICS: dict[str, Statistic] = {
    "minimum": over_all(0),
    "2 % quantile": over_all(0.02),
    "10 % quantile": over_all(0.1),
    "median": over_all(0.5),
    "ratio of the visit's median, all visits": ratio(np.median, quiet=False),
    "ratio of the visit's minimum, all visits": ratio(np.min, quiet=False),
    "ratio of the visit's median, quiet visits": ratio(np.median, quiet=True),
    "hwnas (ratio of the visit's minimum, quiet visits)": lambda *given: estimate(*given).ms,
}


def session(space: SearchSpace, archs: dict[str, Arch], seconds: float, seed: int) -> Samples:
    """All raw times of one session."""
    samples = Samples()
    with tempfile.TemporaryDirectory() as folder, devices.get("cpu") as device:
        nets = {key: save(space.derive(arch), Path(folder) / f"net{key}.onnx") for key, arch in archs.items()}
        blocks = {block.key: save(block, Path(folder) / f"{index}.onnx") for index, block in enumerate(space.blocks())}
        models = blocks | {EMPTY: save(None, Path(folder) / "empty.onnx")} | nets
        measure(device, models, precision=1e-9, time_limit=seconds, seed=seed, samples=samples)
    return samples


def compare(space: SearchSpace, archs: dict[str, Arch], sessions: list[Samples], statistic: Statistic) -> dict:
    """How `statistic` did, at each session's own reference time and at one for all, where it is a ratio."""
    keys, nets = [block.key for block in space.blocks()], list(archs)
    found, at_one_time = (
        [
            {
                key: statistic(visits, samples.reference_seconds, reference_seconds or samples.reference_seconds)
                for key, visits in samples.visits.items()
            }
            for samples in sessions
        ]
        for reference_seconds in (None, sessions[0].reference_seconds)
    )
    fits = [against_sums(space, archs, values) for values in found]
    return {
        "blocks": repeat(found, keys),
        "nets": repeat(found, nets),
        "blocks_one_pace": repeat(at_one_time, keys),
        "nets_one_pace": repeat(at_one_time, nets),
        "rmspe": round(float(np.mean([rmspe for _, rmspe, _ in fits])), 5),
        "spearman": round(float(np.mean([spearman for spearman, _, _ in fits])), 5),
    }


def repeat(sessions: list[dict[str, float]], keys: list[str]) -> dict[str, float]:
    """Median relative difference over `keys`: mean over pairs of sessions, and the worst pair."""
    pairs = [np.median([abs(one[key] / other[key] - 1) for key in keys]) for one, other in combinations(sessions, 2)]
    return {"mean": round(float(np.mean(pairs)), 5), "worst": round(float(np.max(pairs)), 5)}


def against_sums(space: SearchSpace, archs: dict[str, Arch], values: dict[str, float]) -> tuple[float, float, float]:
    """`errors` of sums of blocks, after the affine fit with the least relative errors to the networks."""
    overhead = values[EMPTY]
    sums = np.array(
        [overhead + sum(values[block.key] - overhead for block in space.derive(arch).blocks) for arch in archs.values()]
    )
    measured = np.array([values[key] for key in archs])
    design = np.stack([np.ones_like(sums), sums], axis=1)
    weights = np.linalg.lstsq(design / measured[:, None], np.ones_like(measured), rcond=None)[0]
    return errors(design @ weights, measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-32")
    parser.add_argument("--sessions", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=25.0, help="measuring time of a session")
    parser.add_argument("--pause", type=float, default=30.0, help="seconds from one session to the next")
    parser.add_argument("--checks", type=int, default=30)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    space = registry.get(args.space)
    sampled = sample_architectures(space, args.checks, seed=0, even=False)
    archs = {str(index): arch for index, arch in enumerate(sampled)}
    sessions: list[Samples] = []
    for index in range(args.sessions):
        if index:
            time.sleep(args.pause)
        sessions.append(session(space, archs, args.seconds, seed=index))
    figures = {name: compare(space, archs, sessions, statistic) for name, statistic in STATISTICS.items()}
    details = {
        "space": args.space,
        "seconds": args.seconds,
        "pause": args.pause,
        "rounds": [len(samples.visits[EMPTY]) for samples in sessions],
        "quiet": [
            float(np.mean([is_quiet(visit, s.reference_seconds) for visits in s.visits.values() for visit in visits]))
            for s in sessions
        ],
        "pace_ms": [samples.reference_seconds * 1e3 for samples in sessions],
    }
    record(figures, args.save, details)


if __name__ == "__main__":
    main()
