"""How well latency is predicted from few measured networks, against usual regressions on the same networks.

    python benchmarks/latency_predictor.py --data-dir ../shared/data [--save benchmarks/results/latency_predictor.json]

5000 networks of the `fbnet` space on five devices. Each draw holds 1000 networks out, and every model learns from the
same first networks of the rest. `samsung_a50` is as published, with whole stretches up to twice as slow;
`samsung_a50_settled` is without them. The Gaussian process and the MLP take part in the first `--slow-draws` draws,
and are compared with ours in those. `no_worse` says that in both RMSPE and Spearman the mean of ours is not worse than
that of any rival by more than the deviation of that rival's between draws.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from latency_rivals import QUICK, SLOW, ridge
from record import record

from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.published import steady_mask
from hwnas.latency.quality import errors
from hwnas.progress import show_progress
from hwnas.space import registry

SPACE = registry.get("fbnet")
PUBLISHED = ("pixel3", "raspi4", "samsung_a50", "gold_6226", "titan_rtx_1")
SETTLED = "samsung_a50_settled"
HELD_OUT, BORROWING, INSTEAD = 1000, 30, 300
"""Networks held out in each draw; labels with borrowed tables, and those of the ridge that they are to match."""

FLOOR = {"rmspe": 0.0005, "spearman": 0.0005}
"""Differences that do not count, whatever the deviation between draws."""

Figures = dict[str, float]


@dataclass
class Data:
    """`archs` (N, slots), their `ms` (N,) on each device, and which `rows` of them are used there."""

    archs: np.ndarray
    ms: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    kept: dict[tuple[str, bytes], np.ndarray] = field(default_factory=dict)

    @staticmethod
    def load(folder: Path) -> "Data":
        """Read `fbnet_latency.json` of `folder`."""
        value = json.loads((folder / "fbnet_latency.json").read_text())
        archs = np.array([[int(digit) for digit in arch] for arch in value["archs"]])
        ms = {name: np.array(value["latency_ms"][name], float) for name in PUBLISHED}
        ms[SETTLED] = ms["samsung_a50"]
        rows = dict.fromkeys(ms, np.ones(len(archs), bool)) | {SETTLED: steady_mask(ms[SETTLED])}
        return Data(archs, ms, rows)

    def drawn(self, device: str, draw: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the networks held out, and of the others in random order."""
        order = np.random.default_rng(draw).permutation(len(self.archs))
        order = order[self.rows[device][order]]
        return order[:HELD_OUT], order[HELD_OUT:]

    def tables(self, device: str, held: np.ndarray) -> dict[str, np.ndarray]:
        """What all networks but `held` teach about candidates on each of the other devices."""
        usable = [SETTLED if name == "samsung_a50" else name for name in PUBLISHED]
        mine = SETTLED if device == "samsung_a50" else device
        return {other: self._table(other, held) for other in usable if other != mine}

    def _table(self, device: str, held: np.ndarray) -> np.ndarray:
        """Kept, because devices whose networks are all used hold the same ones out."""
        key = device, held.tobytes()
        if key not in self.kept:
            rest = np.setdiff1d(np.flatnonzero(self.rows[device]), held)
            self.kept[key] = LatencyPredictor(SPACE, self.archs[rest], self.ms[device][rest]).candidate_costs
        return self.kept[key]


@dataclass
class Found:
    """Figures of every draw, by device, labels and model; seconds of fitting, by labels."""

    cells: dict[str, dict[int, dict[str, list[Figures]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    )
    borrowed: dict[str, dict[str, list[Figures]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    seconds: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))


def score(predicted: np.ndarray, measured: np.ndarray) -> Figures:
    return dict(zip(("spearman", "rmspe", "within_10"), errors(predicted, measured), strict=True))


def ours(predictor: LatencyPredictor, archs: np.ndarray, measured: np.ndarray) -> Figures:
    low, high = predictor.interval(archs, 0.9)
    covered = float(np.mean((low <= measured) & (measured <= high)))
    return score(predictor.cost(archs), measured) | {"coverage_90": covered}


def compare(data: Data, device: str, labels: int, draw: int, slow: bool, found: Found) -> None:
    """One draw: our predictor and its rivals on the same `labels` networks."""
    held, rest = data.drawn(device, draw)
    learn, ms = rest[:labels], data.ms[device]
    cell = found.cells[device][labels]
    started = time.perf_counter()
    predictor = LatencyPredictor(SPACE, data.archs[learn], ms[learn])
    found.seconds[labels].append(time.perf_counter() - started)
    cell["ours"].append(ours(predictor, data.archs[held], ms[held]))
    for name, rival in (QUICK | SLOW if slow else QUICK).items():
        predict = rival(data.archs[learn], ms[learn])
        cell[name].append(score(predict(data.archs[held]), ms[held]))


def borrow(data: Data, device: str, draw: int, found: Found) -> None:
    """One draw: our predictor on few labels and the tables of other devices, and the ridge on many labels."""
    held, rest = data.drawn(device, draw)
    few, many, ms = rest[:BORROWING], rest[:INSTEAD], data.ms[device]
    predictor = LatencyPredictor(SPACE, data.archs[few], ms[few], columns=data.tables(device, held))
    found.borrowed[device][f"ours_{BORROWING}"].append(ours(predictor, data.archs[held], ms[held]))
    predicted = ridge(data.archs[many], ms[many])(data.archs[held])
    found.borrowed[device][f"ridge_{INSTEAD}"].append(score(predicted, ms[held]))


def mean(draws: list[Figures]) -> Figures:
    return {name: float(np.mean([one[name] for one in draws])) for name in draws[0]}


def deviation(draws: list[Figures]) -> Figures:
    return {name: float(np.std([one[name] for one in draws])) for name in draws[0]}


def no_worse(mine: list[Figures], rival: list[Figures]) -> bool:
    """Whether ours is not worse in the draws that `rival` took part in."""
    own, other, spread = mean(mine[: len(rival)]), mean(rival), deviation(rival)
    allowed = {name: max(floor, spread[name]) for name, floor in FLOOR.items()}
    nearer = own["rmspe"] <= other["rmspe"] + allowed["rmspe"]
    return nearer and own["spearman"] >= other["spearman"] - allowed["spearman"]


def verdict(models: dict[str, list[Figures]], mine: str = "ours") -> dict[str, Any]:
    """What is kept of a cell: mean and deviation of each model, and whether ours is no worse than any other."""
    kept = {
        name: {"mean": mean(draws), "deviation": deviation(draws), "draws": len(draws)}
        for name, draws in models.items()
    }
    rivals = [draws for name, draws in models.items() if name != mine]
    return kept | {"no_worse": all(no_worse(models[mine], rival) for rival in rivals)}


def speed(data: Data) -> dict[str, float]:
    """Seconds for 100,000 architectures, and how far `expected` is from the mean over 10,000 drawn ones."""
    rng = np.random.default_rng(0)
    predictor = LatencyPredictor(SPACE, data.archs[:INSTEAD], data.ms["pixel3"][:INSTEAD])
    archs = rng.integers(0, SPACE.choices, (100_000, len(SPACE.choices)))
    started = time.perf_counter()
    predictor.cost(archs)
    seconds = time.perf_counter() - started
    probs = np.stack([rng.dirichlet(np.ones(count)) for count in SPACE.choices])
    drawn = np.stack([rng.choice(len(row), 10_000, p=row) for row in probs], axis=1)
    apart = abs(float(predictor.expected(probs)) / predictor.cost(drawn).mean() - 1)
    return {"predict_100000": seconds, "expected_from_mean_of_10000": float(apart)}


def ceiling(data: Data, device: str) -> Figures:
    """Our error at the networks that it learned from, all of them: how far the labels are from any sum of costs."""
    rows = data.rows[device]
    predictor = LatencyPredictor(SPACE, data.archs[rows], data.ms[device][rows])
    return score(predictor.cost(data.archs[rows]), data.ms[device][rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="where fbnet_latency.json is")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--slow-draws", type=int, default=5)
    parser.add_argument("--budgets", default="10,30,100,300,1000,2700", help="numbers of labels")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    data, found = Data.load(args.data_dir), Found()
    budgets = [int(labels) for labels in args.budgets.split(",")]
    rounds = [(draw, device) for draw in range(args.draws) for device in data.ms]
    with show_progress("predictor", len(rounds)) as report:
        for done, (draw, device) in enumerate(rounds):
            report(done, device)
            for labels in budgets:
                compare(data, device, labels, draw, draw < args.slow_draws, found)
            borrow(data, device, draw, found)
    figures = {
        device: {labels: mean(cell["ours"]) for labels, cell in cells.items()} for device, cells in found.cells.items()
    }
    mine = f"ours_{BORROWING}"
    details = {
        "cells": {
            device: {labels: verdict(cell) for labels, cell in cells.items()} for device, cells in found.cells.items()
        },
        "borrowed": {device: verdict(models, mine) for device, models in found.borrowed.items()},
        "in_sample": {device: ceiling(data, device) for device in ("samsung_a50", SETTLED)},
        "fit_seconds": {labels: {"median": np.median(s), "most": max(s)} for labels, s in found.seconds.items()},
        "speed": speed(data),
        "networks": {device: int(rows.sum()) for device, rows in data.rows.items()},
    }
    record(figures, args.save, details)


if __name__ == "__main__":
    main()
