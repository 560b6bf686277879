"""How well a profile of minutes predicts networks of this machine's CPU that it has never seen.

    python benchmarks/cpu_predictor.py [--spaces proxyless proxyless-32] [--save benchmarks/results/cpu_predictor.json]

Profiles each space from nothing, at most `--time-limit` seconds of measuring and until the error is `--within`, then
measures fresh networks sampled uniformly, at the reference time of the table. All are measured in one session, in
rounds of random order: against the small reference network, large ones move by 1 to 2 % together from one session to
the next, which is another matter than how well they are predicted. `--at-once 50` shows it, and needs less memory.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from hwnas import devices
from hwnas.latency.measure import measure_nets
from hwnas.latency.quality import errors
from hwnas.latency.table import LatencyTable, load
from hwnas.pipeline.profile import profile
from hwnas.space import registry


def fresh(table: LatencyTable, count: int, at_once: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Architectures that are not in the table, and their measured latency in ms."""
    space, rng = registry.get(table.space), np.random.default_rng(seed)
    seen = set(map(tuple, table.networks.indices.tolist()))
    archs = [arch for arch in (space.sample(rng) for _ in range(2 * count)) if arch not in seen][:count]
    found = []
    with devices.get("cpu") as device:
        for start in range(0, count, at_once):
            nets = [space.derive(arch) for arch in archs[start : start + at_once]]
            found += measure_nets(device, nets, reference_seconds=table.reference_seconds, time_limit=1.2 * at_once)
    return np.array(archs), np.array([estimate.ms for estimate in found])


def predicted(name: str, args: argparse.Namespace) -> tuple[dict[str, float], dict[str, Any]]:
    """Figures and details of one space."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        path = Path(folder) / "table.json"
        table = load(profile(name, out=path, within=args.within, time_limit=args.time_limit, seed=args.seed))
        seconds = time.perf_counter() - started
    archs, ms = fresh(table, args.networks, args.at_once, args.seed + 1)
    predictor = table.predictor(registry.get(name))
    low, high = predictor.interval(archs)
    spearman, rmspe, within_10 = errors(predictor.cost(archs), ms)
    covered = float(np.mean((low <= ms) & (ms <= high)))
    figures = {
        "profile_seconds": seconds,
        "spearman": spearman,
        "rmspe": rmspe,
        "within_10": within_10,
        "coverage_90": covered,
    }
    details = {
        "networks_in_the_profile": len(table.networks.ms),
        "quality_told": str(table.quality),
        "flags": table.flags,
        "measured_ms": ms.tolist(),
        "predicted_ms": predictor.cost(archs).tolist(),
    }
    return figures, details


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spaces", nargs="+", default=["proxyless", "proxyless-32"])
    parser.add_argument("--networks", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=200, help="networks in one session")
    parser.add_argument("--within", type=float, default=0.02)
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds of measuring in a profile")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    found = {name: predicted(name, args) for name in args.spaces}
    record({name: figures for name, (figures, _) in found.items()}, args.save, {n: d for n, (_, d) in found.items()})


if __name__ == "__main__":
    main()
