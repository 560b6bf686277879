"""Is the latency asked for met without tuning, and what does a strategy itself cost?

    python benchmarks/targets.py [--strategies NAME ...] [--save benchmarks/results/targets.json]

Every strategy searches `nas-bench-macro-16` by the packaged latency table of a CPU for five latencies across the range
of the space, on packaged images and with all constants as they are, but for few steps. A target is what a search aims
at: the latency asked for, less one standard error of its prediction. Told are the latencies that the chosen
architectures are expected to have, relative to the target and to what was asked for, and for strategies on shared
weights the share of the searching time that is the strategy's own (the median over the targets). The last line is the
figures.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record

from hwnas.latency.tables import find_table, load_table
from hwnas.pipeline.search import search
from hwnas.space import registry
from hwnas.strategies.methods import METHODS
from hwnas.training.data import Dataset, load

SPACE = "nas-bench-macro-16"
SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""The latencies asked for, as shares of the way from the fastest network to the slowest."""
STEPS = {"warmup_steps": 10, "steps": 50}
EVALUATIONS = 20


def searched(strategy: str, ms: float, table: Path, data: Dataset, out: Path, weights: Path | None) -> dict[str, float]:
    """What one search ends with. Black-box strategies are told the MACs, which takes no time and pulls away from the
    target as accuracy does."""
    kind = METHODS[strategy].kind
    settings: dict[str, Any] = {"evaluations": EVALUATIONS} if kind in ("black box", "one-shot") else {}
    settings |= {"evaluator": "macs"} if kind == "black box" else {"weights": {**STEPS, "from_run": weights}}
    settings |= {"out": out, "strategy": strategy, "threads": 1, "finalists": 4, "measure": False}
    found = search(table, ms, data, **settings).record
    return {
        "of_target": found.predicted_ms / found.target_ms,
        "of_asked": found.predicted_ms / ms,
        "overhead": found.overhead,
    }


def all_targets(strategy: str, table: Path, data: Dataset) -> dict[str, Any]:
    """One strategy at every target; the weights of a one-shot method are trained once."""
    latencies = load_table(table)
    fastest, slowest = latencies.predictor(registry.get(SPACE)).range()
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for share in SHARES:
            again = METHODS[strategy].kind == "one-shot" and rows
            ms = fastest + share * (slowest - fastest)
            source = Path(folder) / str(SHARES[0]) if again else None
            rows.append(searched(strategy, ms, table, data, Path(folder) / str(share), source))
    found = {name: [round(row[name], 4) for row in rows] for name in rows[0]}
    return {**found, "farthest": round(max(abs(value - 1) for value in found["of_target"]), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strategies", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = load("fashion-mnist-small", registry.get(SPACE).resolution)
    details: dict[str, Any] = {}
    for strategy in asked.strategies:
        details[strategy] = all_targets(strategy, find_table(f"cpu.{SPACE}"), data)
        print(strategy, details[strategy], flush=True)
    shared = {name: row for name, row in details.items() if METHODS[name].kind != "black box"}
    figures = {
        "within_3_percent_of_target": sum(row["farthest"] <= 0.03 for row in details.values()),
        "strategies": len(details),
        "farthest": max(row["farthest"] for row in details.values()),
        "lowest_of_asked": min(min(row["of_asked"]) for row in details.values()),
        "overhead": {name: round(float(np.median(row["overhead"])), 4) for name, row in shared.items()},
    }
    record(figures, asked.save, details)


if __name__ == "__main__":
    main()
