"""Trainings that are compared: each a folder that goes on where it was stopped, with a row of figures; told by arm."""

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from hwnas.pipeline.train import train
from hwnas.training.data import Dataset
from hwnas.training.recipe import Recipe


def train_arm(
    arm: str, net: Any, dataset: Dataset, recipe: Recipe, *, epochs: int, seed: int, runs: Path, **how: Any
) -> dict[str, Any]:
    """One training, or its record where it is finished: on all training images, as nothing is chosen."""
    out = runs / f"{arm}-{epochs}-{seed}"
    found = train(net, dataset, out=out, recipe=recipe, epochs=epochs, seed=seed, val=0, **how)
    row = {"arm": arm, "seed": seed, "epochs": epochs, "top1": found.top1, "seconds": found.record.seconds}
    print(json.dumps(row), flush=True)
    return row


def percents(rows: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Top-1 in percent by arm, in the order of the seeds."""
    by: dict[str, list[float]] = {}
    for row in rows:
        by.setdefault(row["arm"], []).append(100 * row["top1"])
    return by


def mean_and_spread(values: list[float]) -> dict[str, float | None]:
    """The mean, and the standard deviation where there are several."""
    return {"mean": round(mean(values), 2), "spread": round(stdev(values), 2) if len(values) > 1 else None}


def differences(by: dict[str, list[float]], pairs: tuple[tuple[str, str], ...]) -> dict[str, dict[str, float | None]]:
    """In points, how much the first of each pair is better than the second, paired by seed."""
    return {
        f"{one} over {other}": mean_and_spread([a - b for a, b in zip(by[one], by[other], strict=True)])
        for one, other in pairs
        if one in by and other in by
    }


def summary(rows: list[dict[str, Any]], pairs: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """Mean and spread of each arm in percent, and the differences of `pairs` in points."""
    by = percents(rows)
    return {"arms": {arm: mean_and_spread(values) for arm, values in by.items()}, "differences": differences(by, pairs)}
