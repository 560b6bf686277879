"""What making batches adds to a step: step time with real batches over step time with one batch that is always there.

    python benchmarks/input_pipeline.py [--data-dir ../shared/data] [--save benchmarks/results/input_pipeline.json]

Two steps are timed: one path of the supernet, and the extracted child as `hwnas train` trains it. Their batches are
shifted, mirrored and normalised either in the step (`direct`) or before it in a thread of their own (`ahead`, which is
what hwnas does). Every round draws an architecture and runs some steps with each kind of batches, in random order; the
figures are medians of the ratios. Without `--data-dir`, the images are the packaged ones; with it, CIFAR-10 from there.
"""

import argparse
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from record import record
from timm.loss import LabelSmoothingCrossEntropy
from timm.utils import ModelEmaV3

from hwnas.nn.build import build
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space import registry
from hwnas.training.batches import Batches
from hwnas.training.data import Dataset, load
from hwnas.training.memory import keep_freed_memory
from hwnas.training.prefetch import Prefetched
from hwnas.training.recipe import Recipe

SHIFT = 1 / 8
CIFAR10 = "cifar10_jpeg.tar.xz"
Batch = Callable[[int], tuple[torch.Tensor, torch.Tensor]]
Step = Callable[[torch.Tensor, torch.Tensor], None]


def images(folder: Path | None) -> Dataset:
    """CIFAR-10 as packed in `folder`, or the packaged images."""
    if folder is None:
        return load()
    with TemporaryDirectory() as unpacked:
        with tarfile.open(folder / CIFAR10) as packed:
            packed.extractall(unpacked, filter="data")
        return load(next(path.parent for path in Path(unpacked).rglob("train") if path.is_dir()))


class Steps:
    """The two kinds of step, on the architecture that was drawn last."""

    def __init__(self, space: str, classes: int) -> None:
        self.space = registry.get(space, classes)
        self.supernet = Supernet(self.space, seed=0).train()
        self.optimizer = torch.optim.SGD(self.supernet.parameters(), 0.05, 0.9, nesterov=True)
        self.loss = LabelSmoothingCrossEntropy(0.1)

    def drawn(self, rng: np.random.Generator) -> dict[str, Step]:
        """Both steps, by name, for another architecture."""
        arch = self.space.sample(rng)
        child, recipe = build(self.space.derive(arch), seed=0).train(), Recipe()
        optimizer, ema = recipe.make_optimizer(child), ModelEmaV3(child, decay=recipe.ema, use_warmup=True)
        gates, updates = one_hot(arch), iter(range(1, 1_000_000))

        def supernet_step(batch: torch.Tensor, labels: torch.Tensor) -> None:
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.supernet(batch, gates), labels)
            loss.backward()
            self.optimizer.step()
            loss.item()

        def child_step(batch: torch.Tensor, labels: torch.Tensor) -> None:
            loss = self.loss(child(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            ema.update(child, next(updates))
            loss.item()

        return {"supernet": supernet_step, "child": child_step}


class Feed:
    """The next batches from `batches`, whoever asked for the ones before."""

    def __init__(self, batches: Batch) -> None:
        self.batches, self.next = batches, 0

    def seconds(self, step: Step, count: int) -> float:
        """Seconds that `count` steps take, their batches included."""
        start = time.perf_counter()
        for number in range(self.next, self.next + count):
            step(*self.batches(number))
        self.next += count
        return time.perf_counter() - start


@contextmanager
def feeds(dataset: Dataset, size: int) -> Iterator[dict[str, Feed]]:
    """The three ways to come by a batch."""
    direct, behind = (Batches(dataset.train, dataset, size, seed=0, shift=SHIFT) for _ in range(2))
    resident = direct(0)
    with Prefetched(behind) as ahead:
        yield {"resident": Feed(lambda number: resident), "direct": Feed(direct), "ahead": Feed(ahead)}


def ratios(steps: Steps, dataset: Dataset, size: int, asked: argparse.Namespace) -> dict[str, list[float]]:
    """The ratios of every round, by kind of step and of batches."""
    rng, found = np.random.default_rng(0), {}
    with feeds(dataset, size) as ways:
        for _ in range(asked.rounds):
            for name, step in steps.drawn(rng).items():
                ways["resident"].seconds(step, 1)  # allocates what the optimiser keeps
                taken = {way: ways[way].seconds(step, asked.steps) for way in rng.permutation(list(ways))}
                for way in ("direct", "ahead"):
                    found.setdefault(f"{name}_{way}", []).append(taken[way] / taken["resident"])
    return found


def measured(asked: argparse.Namespace) -> dict[str, tuple[float, float, float]]:
    """Quartiles of the ratios of every kind of step and of batches, at every batch size and number of threads."""
    dataset = images(asked.data_dir)
    steps, quantiles = Steps(asked.space, len(dataset.labels)), {}
    for threads, size in product(asked.threads, asked.batch):
        torch.set_num_threads(threads)
        for name, values in ratios(steps, dataset, size, asked).items():
            low, middle, high = np.quantile(values, (0.25, 0.5, 0.75)).round(4).tolist()
            quantiles[f"{name}_batch_{size}_threads_{threads}"] = low, middle, high
            shown = f"{middle:.4f}  (quartiles {low:.4f} to {high:.4f})"
            print(f"{threads} threads, batch {size:<4} {name:<16} {shown}", flush=True)
    return quantiles


@keep_freed_memory()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, help=f"where {CIFAR10} is")
    parser.add_argument("--space", default="proxyless-32", choices=registry.SPACES)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5, help="in one round with one kind of batches")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    asked = parser.parse_args()
    torch.manual_seed(0)
    quantiles = measured(asked)
    figures = {name: middle for name, (_, middle, _) in quantiles.items()}
    figures["largest_ahead"] = max(middle for name, middle in figures.items() if "_ahead_" in name)
    arguments = {**vars(asked), "data_dir": asked.data_dir and CIFAR10, "save": None}
    record(figures, asked.save, {"arguments": arguments, "quartiles": quantiles})


if __name__ == "__main__":
    main()
