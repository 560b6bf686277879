"""How long a profile takes, how well it repeats, and how well it predicts the networks in it from one another.

    python benchmarks/profile.py [--space proxyless] [--save benchmarks/results/profile.json]

Profiles the space twice in a row, each time from nothing. `seconds` is the longer of the two, all of it; the quality
of the predictor, held out among networks drawn uniformly, is the worse of the two. `repeat_rel_diff` is the median
over blocks of the relative difference between the two tables as they are; `repeat_rel_diff_one_pace` is the same with
both told at one reference time.
"""

import argparse
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from hwnas.latency.table import LatencyTable, load
from hwnas.pipeline.profile import profile


def differences(first: LatencyTable, second: LatencyTable, at_one_time: bool) -> np.ndarray:
    """Relative difference of every block."""
    scale = first.reference_seconds / second.reference_seconds if at_one_time else 1.0
    return np.array([abs(second.rows[key].ms * scale / row.ms - 1) for key, row in first.rows.items()])


def summary(table: LatencyTable, seconds: float) -> dict[str, Any]:
    """What one profile found."""
    return {
        "seconds": seconds,
        "blocks": len(table.rows),
        "networks": len(table.networks.archs),
        "pace_ms": table.reference.ms,
        "overhead_ms": table.overhead.ms,
        "median_rounds": float(np.median([row.rounds for row in table.rows.values()])),
        "median_half_width": float(np.median([row.precision for row in table.rows.values()])),
        "network_ms": [min(table.networks.ms), max(table.networks.ms)],
        "quality": asdict(table.quality),
        "flags": table.flags,
        "device": asdict(table.device),
        "date": table.date,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless")
    parser.add_argument("--networks", type=int, default=50)
    parser.add_argument("--time-limit", type=float, default=95.0, help="seconds of measuring in a profile")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    tables, seconds = [], []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(2):
            started = time.perf_counter()
            path = Path(folder) / f"{index}.json"
            asked = {"networks": args.networks, "even": False, "time_limit": args.time_limit}
            tables.append(load(profile(args.space, out=path, **asked)))
            seconds.append(time.perf_counter() - started)
    first, second = tables
    apart, at_one_time = differences(first, second, False), differences(first, second, True)
    figures = {
        "seconds": max(seconds),
        "repeat_rel_diff": float(np.median(apart)),
        "repeat_rel_diff_one_pace": float(np.median(at_one_time)),
        "spearman": min(table.quality.spearman for table in tables),
        "within_10": min(table.quality.within_10 for table in tables),
        "rmspe": max(table.quality.rmspe for table in tables),
    }
    details = [summary(table, taken) for table, taken in zip(tables, seconds, strict=True)]
    record(figures, args.save, details)


if __name__ == "__main__":
    main()
