"""Our training loop beside one of timm's public functions (its train.py is not in the wheel): the same network and
weights, images in the same order, the same constants.

timm's `mobilenetv3_small_100`, with a stem of stride 1 for 32 px, and the network of ours that it is; CIFAR-10 as JPEG.

    losses   of the first updates without augmentation, and their largest difference
    speed    time of an update with augmentation, ours and timm's by turns, as a ratio with an interval
    top1     both trained by one augmented recipe, `--seeds` times: top-1 on the test images, paired

Each training is kept in `--runs` when it ends, and not done again. Example:

    python benchmarks/train_cifar.py losses --data-dir shared/data --runs runs/train_cifar
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

from record import record  # isort: skip  # before timm, which would take profile.py of this folder for Python's

import numpy as np
import timm
import torch
from PIL import Image
from ranking import cifar10
from timm.data import create_transform
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from hwnas.files import read_json, write_json
from hwnas.nn.build import Network, build
from hwnas.nn.weights import adopt
from hwnas.space import zoo
from hwnas.space.block import Block
from hwnas.space.net import Net
from hwnas.training.augment import make_batches
from hwnas.training.batches import Batches
from hwnas.training.data import Dataset
from hwnas.training.evaluate import top1
from hwnas.training.loader import count_workers
from hwnas.training.loading import make_loader
from hwnas.training.loop import Loop
from hwnas.training.memory import keep_freed_memory
from hwnas.training.recipe import Recipe
from hwnas.training.trainee import Trainee

NAME, OURS = "mobilenetv3_small_100", "mobilenet_v3_small"
PLAIN = Recipe(epochs=20, batch_size=128, optimizer="sgd", lr=0.05, weight_decay=5e-4, warmup_epochs=1, ema=0.999)
AUGMENTED = PLAIN.model_copy(update={"crop": (0.5, 1.0), "mirror": True, "policy": "rand-m5-mstd0.5", "erasing": 0.1})
GENTLE = PLAIN.model_copy(update={"lr": 0.01})
"""For comparing losses: both loops differ by 1.4e-3, 1.6e-4, 2.1e-6 at rates of .05, .025, .01, and one and the same
from weights that differ by 1e-7 by 6e-4, 1.1e-4, 2.4e-6: at larger rates rounding is what is compared."""
TURN = 10
"""Updates that one loop does before it is the other's turn."""


def network() -> Net:
    """The network of ours for 32 px: that for 64 with a stem of stride 1, and the ε of timm."""
    stem, *others = zoo.get(OURS, 10, 64).blocks
    first = Block(**{**vars(stem), "height": 32, "width": 32, "stride": 1})
    return Net((first, *others), NAME)


def both(seed: int) -> tuple[Network, nn.Module]:
    """Ours and timm's with the weights that we draw.

    From those that timm draws, losses of timm's own loop differ by 6e-3 after 3 updates, and by .1 after 5, where
    weights differ by 1e-7: rounding alone would decide (measured here on Fashion-MNIST). From ours, by 2e-4 after 39.
    """
    theirs = timm.create_model(NAME, num_classes=10)
    theirs.conv_stem.stride = (1, 1)
    ours, marked = build(network(), seed), build(network(), seed)
    names = list(theirs.state_dict())
    adopt(marked, {name: torch.full_like(theirs.state_dict()[name], index) for index, name in enumerate(names)})
    places = {name: names[int(value.flatten()[0])] for name, value in marked.state_dict().items()}  # where each goes
    state = theirs.state_dict()
    for name, value in ours.state_dict().items():
        if value.ndim:  # else a count of batches, which is 0
            state[places[name]] = value.reshape(state[places[name]].shape)
    theirs.load_state_dict(state)
    return ours, theirs.to(memory_format=torch.channels_last)


class Pictures(TorchDataset[tuple[torch.Tensor, int]]):
    """Training images as timm's transforms take them."""

    def __init__(self, dataset: Dataset, recipe: Recipe) -> None:
        self.pixels = dataset.train.fitted(np.arange(len(dataset.train))).permute(0, 2, 3, 1).contiguous().numpy()
        self.labels = dataset.train.labels.tolist()
        how: dict[str, Any] = {"mean": dataset.mean, "std": dataset.std, "interpolation": "random"}
        if recipe.moves_only:
            how |= {"no_aug": True, "interpolation": "bilinear"}
        else:
            how |= {"scale": recipe.crop, "ratio": recipe.crop_ratio, "hflip": 0.5 * recipe.mirror,
                    "color_jitter": None, "auto_augment": recipe.policy, "re_prob": recipe.erasing,
                    "re_mode": "pixel"}  # fmt: skip
        self.transform = create_transform(32, is_training=True, **how)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def timm_updates(
    module: nn.Module, dataset: Dataset, recipe: Recipe, seed: int, workers: int
) -> Iterator[tuple[float, ModelEmaV3]]:
    """timm's loop: the loss of each update, and the averaged weights after it."""
    per_epoch = len(dataset.train) // recipe.batch_size
    order = Batches(dataset.train, dataset, recipe.batch_size, seed, augment=False)
    indices = (order._indices(step).tolist() for step in range(recipe.epochs * per_epoch))
    batches = DataLoader(Pictures(dataset, recipe), batch_sampler=list(indices), num_workers=workers)
    optimizer = create_optimizer_v2(module, recipe.optimizer, recipe.lr, recipe.weight_decay, recipe.momentum)
    scheduler, _ = create_scheduler_v2(
        optimizer, "cosine", num_epochs=recipe.epochs, warmup_epochs=int(recipe.warmup_epochs or 0), warmup_lr=0,
        min_lr=0, step_on_epochs=False, updates_per_epoch=per_epoch,
    )  # fmt: skip
    ema = ModelEmaV3(module, decay=recipe.ema, use_warmup=True)
    loss_of = LabelSmoothingCrossEntropy(recipe.label_smoothing)
    module.train()
    for step, (images, labels) in enumerate(batches):
        loss = loss_of(module(images.contiguous(memory_format=torch.channels_last)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        ema.update(module, step + 1)
        scheduler.step_update(step + 1)
        yield loss.item(), ema


def our_updates(module: Network, dataset: Dataset, recipe: Recipe, seed: int) -> Iterator[float]:
    """Our loop: the loss of each update."""
    batches = make_batches(dataset.train, dataset, recipe, seed)
    updates = recipe.epochs * batches.per_epoch
    trainee = Trainee(module, recipe, updates, seed)
    with make_loader(batches, batches.split) as made:
        for step in range(updates):
            yield trainee.update(step, *made(step))


def losses(dataset: Dataset, updates: int) -> dict[str, Any]:
    """Losses of the first `updates` without augmentation."""
    ours, theirs = both(0)
    first, second = our_updates(ours, dataset, GENTLE, 0), timm_updates(theirs, dataset, GENTLE, 0, 0)
    nudged, _ = both(0)
    with torch.no_grad():
        for value in nudged.parameters():
            value.mul_(1 + 1e-7 * torch.randn_like(value))
    third = our_updates(nudged, dataset, GENTLE, 0)
    rows = [(next(first), next(second)[0], next(third)) for _ in range(updates)]
    return {"updates": updates, "largest_difference": max(abs(a - b) for a, b, _ in rows),
            "of_weights_that_differ_by_1e-7": max(abs(a - c) for a, _, c in rows),
            "first": rows[0][:2], "last": rows[-1][:2]}  # fmt: skip


def speed(dataset: Dataset, turns: int, workers: int) -> dict[str, Any]:
    """Seconds of an update, by turns: the median, and the ratio with the 95 % interval of its bootstrap."""
    ours, theirs = both(0)
    first, second = our_updates(ours, dataset, AUGMENTED, 0), timm_updates(theirs, dataset, AUGMENTED, 0, workers)
    for loop in (first, second):
        next(loop)  # workers start
    seconds: dict[str, list[float]] = {"ours": [], "timm": []}
    for _ in range(turns):
        for name, loop in (("ours", first), ("timm", second)):
            start = perf_counter()
            for _ in range(TURN):
                next(loop)
            seconds[name].append((perf_counter() - start) / TURN)
    a, b = (np.array(seconds[name]) for name in ("ours", "timm"))
    rng = np.random.default_rng(0)
    picks = rng.integers(0, turns, (2000, turns))
    low, high = np.quantile(a[picks].mean(1) / b[picks].mean(1), (0.025, 0.975))
    return {"updates_each": turns * TURN, "ours_ms": 1000 * a.mean(), "timm_ms": 1000 * b.mean(),
            "ratio": a.mean() / b.mean(), "interval": [low, high], "threads": torch.get_num_threads()}  # fmt: skip


def train_one(loop: str, dataset: Dataset, recipe: Recipe, seed: int, workers: int) -> dict[str, Any]:
    """One training to its end, by "ours" or "timm": top-1 of the averaged weights after the last epoch."""
    ours, theirs = both(seed)
    start = perf_counter()
    if loop == "ours":
        run = Loop(ours, dataset, recipe, seed)
        with make_loader(run.batches, run.batches.split) as batches:
            run.run(batches)
        found = run.result().top1
    else:
        *_, (_, ema) = timm_updates(theirs, dataset, recipe, seed, workers)
        found = top1(ema.module, dataset.test, dataset)
    return {"loop": loop, "seed": seed, "top1": found, "seconds": round(perf_counter() - start, 1)}


def compare_top1(dataset: Dataset, recipe: Recipe, seeds: int, workers: int, runs: Path) -> dict[str, Any]:
    """Every training that is not in `runs` yet, one after another; and all of them in pairs."""
    results = []
    for seed in range(seeds):
        for loop in ("timm", "ours"):
            path = runs / f"{loop}-{recipe.epochs}-{seed}.json"
            if not path.exists():
                write_json(path, train_one(loop, dataset, recipe, seed, workers))
            results.append(read_json(path, "training"))
            print(json.dumps(results[-1]), flush=True)
    by = {loop: np.array([one["top1"] for one in results if one["loop"] == loop]) for loop in ("ours", "timm")}
    differences = 100 * (by["ours"] - by["timm"])
    spread = float(differences.std(ddof=1)) if seeds > 1 else None
    return {"epochs": recipe.epochs, "seeds": seeds, "ours": 100 * by["ours"].mean(), "timm": 100 * by["timm"].mean(),
            "paired_difference_points": differences.mean(), "spread": spread, "trainings": results}  # fmt: skip


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("losses", "speed", "top1"))
    parser.add_argument("--data-dir", type=Path, required=True, help="has cifar10_jpeg.tar.xz")
    parser.add_argument("--runs", type=Path, required=True, help="folder of results, and of the unpacked images")
    parser.add_argument("--updates", type=int, default=100, help="of losses")
    parser.add_argument("--turns", type=int, default=15, help="of speed")
    parser.add_argument("--epochs", type=int, default=AUGMENTED.epochs)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=count_workers(), help="processes of timm's batches; as ours")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    return parser.parse_args()


@keep_freed_memory()
def main() -> None:
    asked = options()
    torch.set_num_threads(asked.threads)
    dataset = cifar10(asked.data_dir, asked.runs / "images", 32)
    if asked.what == "losses":
        found = losses(dataset, asked.updates)
    elif asked.what == "speed":
        found = speed(dataset, asked.turns, asked.workers)
    else:
        recipe = AUGMENTED.model_copy(update={"epochs": asked.epochs})
        found = compare_top1(dataset, recipe, asked.seeds, asked.workers, asked.runs)
    record({asked.what: found}, asked.save)


if __name__ == "__main__":
    main()
