"""What a recipe is worth: one network of about 5 MMACs on CIFAR-10 as JPEG, trained by several for the same epochs.

Each training is a folder in `--runs`: the same call goes on where it was stopped, one training at a time. Example:

    python benchmarks/recipes.py --data-dir shared/data --runs runs/recipes --arms quick cifar --seeds 3
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ranking import cifar10
from record import record
from train_cifar import network

from hwnas.pipeline.train import train
from hwnas.training import recipes
from hwnas.training.data import Dataset
from hwnas.training.recipe import Recipe

ARMS: dict[str, Callable[[], Recipe]] = {
    "quick": lambda: recipes.PRESETS["quick"].recipe,
    "cifar": lambda: recipes.PRESETS["cifar"].recipe,
    "quick-mirrored": lambda: recipes.PRESETS["quick"].recipe.model_copy(update={"mirror": True}),
}
"""Recipes by name; the share of mirroring is what `quick-mirrored` wins over `quick`."""


def train_arm(arm: str, epochs: int, seed: int, dataset: Dataset, runs: Path, threads: int) -> dict[str, Any]:
    """One training, or its record where it is finished: on all training images, as nothing is chosen."""
    out = runs / f"{arm}-{epochs}-{seed}"
    found = train(network(), dataset, out=out, recipe=ARMS[arm](), epochs=epochs, seed=seed, val=0, threads=threads)
    row = {"arm": arm, "seed": seed, "top1": found.top1, "seconds": found.record.seconds}
    print(json.dumps(row), flush=True)
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean and spread of each arm in percent, and the difference of each from the first, paired by seed."""
    by: dict[str, list[float]] = {}
    for row in rows:
        by.setdefault(row["arm"], []).append(100 * row["top1"])
    first = next(iter(by.values()))
    return {
        arm: {
            "top1": round(mean(values), 2),
            "spread": round(stdev(values), 2) if len(values) > 1 else None,
            "over_first": round(mean(b - a for a, b in zip(first, values, strict=True)), 2),
        }
        for arm, values in by.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the trainings, and of the unpacked images")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    asked = parser.parse_args()
    dataset = cifar10(asked.data_dir, asked.runs / "images", 32)
    rows = [
        train_arm(arm, asked.epochs, seed, dataset, asked.runs, asked.threads)
        for seed in range(asked.seeds)
        for arm in asked.arms
    ]
    record({"macs": network().macs, "epochs": asked.epochs, "arms": summary(rows)}, asked.save, rows)


if __name__ == "__main__":
    main()
