"""What a recipe is worth: one network of about 5 MMACs on CIFAR-10 as JPEG, trained by several for the same epochs.

Each training is a folder in `--runs`: the same call goes on where it was stopped, one training at a time. Example:

    python benchmarks/recipes.py --data-dir shared/data --runs runs/recipes --arms quick cifar --seeds 3
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from arms import summary, train_arm
from ranking import cifar10
from record import record

from hwnas.space import registry
from hwnas.space.net import Net
from hwnas.training import recipes
from hwnas.training.recipe import Recipe

SPACE = "proxyless-32"
MEMBER = (0, 6, 0, 1, 0, 6, 0, 0, 1)
"""The network: of the members of `SPACE` with 3×3 kernels and 5.0 million MACs, the quickest to train here of five."""
ARMS: dict[str, Callable[[], Recipe]] = {
    "quick": lambda: recipes.PRESETS["quick"].recipe,
    "cifar": lambda: recipes.PRESETS["cifar"].recipe,
    "quick-mirrored": lambda: recipes.PRESETS["quick"].recipe.model_copy(update={"mirror": True}),
}
"""Recipes by name."""
PAIRS = (("cifar", "quick"), ("quick-mirrored", "quick"), ("cifar", "quick-mirrored"))
"""What is compared, paired by seed; the second is the share of mirroring."""


def network() -> Net:
    """What is trained."""
    return registry.get(SPACE, 10).derive(MEMBER)


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
        train_arm(
            arm, network(), dataset, ARMS[arm](), epochs=asked.epochs, seed=seed, runs=asked.runs, threads=asked.threads
        )
        for seed in range(asked.seeds)
        for arm in asked.arms
    ]
    record({"macs": network().macs, "epochs": asked.epochs, **summary(rows, PAIRS)}, asked.save, rows)


if __name__ == "__main__":
    main()
