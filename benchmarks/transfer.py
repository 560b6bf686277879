"""What inherited weights and a teacher are worth: a network of a search on CIFAR-10 as JPEG, trained several ways.

First this machine is profiled, and a search trains shared weights and finds a network in the middle of the latencies
(`--runs`/table.json and search). Then by the same recipe:

- `scratch`, the network from drawn weights, for all `--epochs`;
- `scratch-short` and `inherited-short`, for a quarter of them, from drawn weights and from those of the search;
- `taught`, from drawn weights for all epochs, by the largest child of the search; `taught-hard`, by its classes;
  `taught-short`, for a quarter of them.

Everything is a folder in `--runs`: the same call goes on where it was stopped, one training at a time. Example:

    python benchmarks/transfer.py --data-dir shared/data --runs runs/transfer --seeds 3
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from arms import summary, train_arm
from ranking import cifar10
from record import record

import hwnas
from hwnas.latency.tables import load_table
from hwnas.pipeline.search import search
from hwnas.search.record import SearchResult
from hwnas.space import registry
from hwnas.training import recipes
from hwnas.training.data import Dataset

SPACE = "mobilenetv3-32"
ARMS: dict[str, dict[str, Any]] = {
    "scratch": {},
    "scratch-short": {"short": True},
    "inherited-short": {"short": True, "init": "supernet"},
    "taught": {"teacher": "supernet"},
    "taught-short": {"short": True, "teacher": "supernet"},
    "taught-hard": {"teacher": "supernet", "distillation": "hard"},
}
PAIRS = (("inherited-short", "scratch-short"), ("inherited-short", "scratch"), ("taught-short", "scratch-short"),
         ("taught", "scratch"), ("taught-hard", "scratch"))  # fmt: skip
"""Arms and what each is compared with, paired by seed."""


def find_network(asked: argparse.Namespace, dataset: Dataset) -> SearchResult:
    """The search whose weights serve, or its record where it is finished."""
    table = asked.runs / "table.json"
    if not table.exists():
        hwnas.profile(SPACE, out=table)
    middle = sum(load_table(table).predictor(registry.get(SPACE)).range()) / 2
    return search(
        table, middle, dataset, out=asked.runs / "search", strategy="spos", evaluations=50,
        weights={"steps": asked.steps, "batch_size": 128}, measure=False, threads=asked.threads,
    )  # fmt: skip


def train_one(arm: str, seed: int, found: SearchResult, dataset: Dataset, asked: argparse.Namespace) -> dict[str, Any]:
    """The training of an arm, by its own settings of the recipe."""
    how = dict(ARMS[arm])
    epochs = max(1, asked.epochs // 4) if how.pop("short", False) else asked.epochs
    recipe = recipes.PRESETS[asked.recipe].recipe
    if "distillation" in how:
        recipe = recipe.model_copy(update={"distillation": how.pop("distillation")})
    return train_arm(arm, found.path, dataset, recipe, epochs=epochs, seed=seed, runs=asked.runs,
                     threads=asked.threads, **how)  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz")
    parser.add_argument("--runs", type=Path, required=True, help="folder of the search, the trainings and the images")
    parser.add_argument("--steps", type=int, default=3000, help="of the shared weights, 128 images each")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--recipe", choices=recipes.PRESETS, default="cifar")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--images", type=int, help="use so many training and test images only, to try it out")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    return parser.parse_args()


def main() -> None:
    asked = options()
    dataset = cifar10(asked.data_dir, asked.runs / "images", 32)
    if asked.images:
        dataset = first_images(dataset, asked.images)
    found = find_network(asked, dataset)
    rows = [train_one(arm, seed, found, dataset, asked) for seed in range(asked.seeds) for arm in asked.arms]
    settings = {"macs": found.net().macs, "epochs": asked.epochs, "recipe": asked.recipe, "steps": asked.steps}
    record({**settings, **summary(rows, PAIRS)}, asked.save, rows)


def first_images(dataset: Dataset, count: int) -> Dataset:
    """The data set with `count` images of each split, drawn with one seed."""
    order = np.random.default_rng(0)
    splits = {
        name: split.take(np.sort(order.permutation(len(split))[:count]))
        for name, split in (("train", dataset.train), ("test", dataset.test))
    }
    return replace(dataset, **splits)


if __name__ == "__main__":
    main()
