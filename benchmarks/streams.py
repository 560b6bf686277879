"""Images that do not fit into memory: what one core decodes, what memory a rank takes, and how long a step waits.

    python benchmarks/streams.py [--images 100000] [--save benchmarks/results/streams.json]

JPEGs of smooth noise are generated, `--distinct` different ones and hard links to them, and packed as shards.
`decode_*` are images a second of one thread: whole (as validation does), reduced (as crops of training may), each from
files and from shards; photographs of 500 x 375 pixels cannot be reduced for 224, those of 1,600 x 1,200 to a quarter.
`*_mib` are the largest resident memory of a process that trains or searches: once the data set is there, after the
steps (of which the features of the batch are the most), and after a search has scored a child; `workers_mib` that of a
process that makes batches, most of which it shares with the first. `*_wait` is the share of a step that waits for its
batch after the first ones, and `*_bound` what it has to wait at least: what remains where decoding alone takes longer
than the step, at the measured speed of a core.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from record import record

from hwnas.nn.build import build
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.pipeline.data import pack
from hwnas.space import registry, zoo
from hwnas.training.batches import Batches
from hwnas.training.data import Dataset, load
from hwnas.training.loader import count_workers
from hwnas.training.loading import make_loader
from hwnas.training.reading import Reading
from hwnas.training.recipe import Recipe
from hwnas.training.streamed_children import StreamedChildren, calibration_count

CLASSES, SIZE, SPACE = 10, 224, "proxyless"
SKIPPED = 5
"""Steps before the waiting is counted: processes start, and the first batches are made."""
READING = Reading(stream=True)


def jpeg(path: Path, size: tuple[int, int], rng: np.random.Generator) -> None:
    """A picture with the detail of a photograph: noise at three scales, at quality 90."""
    layers = []
    for side in (8, 40, size[0] // 4):
        noise = Image.fromarray(rng.integers(0, 255, (side * 3 // 4, side, 3), np.uint8))
        layers.append(noise.resize(size, Image.Resampling.BICUBIC))
    mixed = sum(np.asarray(layer, np.float32) * weight for layer, weight in zip(layers, (0.6, 0.3, 0.1), strict=True))
    Image.fromarray(mixed.astype(np.uint8)).save(path, quality=90)


def folder_of(root: Path, count: int, distinct: int, size: tuple[int, int]) -> Path:
    """A folder of `count` images in ten classes, of which `distinct` differ."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (root / f"class{label}").mkdir(parents=True)
    made = []
    for index in range(min(distinct, count)):
        made.append(root / f"class{index % CLASSES}" / f"{index:06}.jpg")
        jpeg(made[-1], size, rng)
    for index in range(len(made), count):
        os.link(made[index % len(made)], root / f"class{index % CLASSES}" / f"{index:06}.jpg")
    return root


def rate(work: Callable[[int], object], count: int) -> float:
    """Calls a second of one thread, of `work` on 0 to `count` - 1; the file system has seen them before."""
    work(0)
    start = time.perf_counter()
    for index in range(count):
        work(index)
    return round(count / (time.perf_counter() - start), 1)


def decoding(folder: Path, count: int) -> dict[str, float]:
    """Images a second of one core, for photographs of two sizes, in files and in shards."""
    torch.set_num_threads(1)
    found = {}
    for size in ((500, 375), (1600, 1200)):
        photos = folder_of(folder / f"photos{size[0]}", 2 * count, 100, size)
        shards = pack(photos, out=folder / f"shards{size[0]}", progress=None).path
        for kind, path in (("files", photos), ("shards", shards)):
            train = load(path, SIZE, reading=Reading(stream=True, statistics="imagenet"), progress=None).train
            found[f"decode_{size[0]}_{kind}_whole"] = rate(lambda i, of=train: of.fitted(np.array([i])), count)
            found[f"decode_{size[0]}_{kind}_reduced"] = rate(lambda i, of=train: of.picture(i, SIZE), count)
    return found


def child_step(dataset: Dataset) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """An update of a small network as `hwnas train` makes it."""
    module = build(zoo.get("mobilenet_v3_small", CLASSES), seed=0).train()
    recipe = Recipe()
    optimizer, loss = recipe.make_optimizer(module), recipe.make_loss()

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        value = loss(module(images), labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def search_step(dataset: Dataset, supernet: Supernet) -> Callable[[torch.Tensor, torch.Tensor], None]:
    """An update of one path of a supernet."""
    rng, optimizer = np.random.default_rng(0), torch.optim.SGD(supernet.parameters(), 0.01, 0.9)

    def step(images: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        value = torch.nn.functional.cross_entropy(supernet(images, one_hot(supernet.space.sample(rng))), labels)
        value.backward()
        optimizer.step()

    return step


def run_steps(kind: str, data: Path, batch: int, count: int) -> None:
    """In a process of its own: some steps on streamed images; prints what memory it took and how long it waited."""
    dataset = load(data, SIZE, reading=READING, progress=None)
    train, validation = dataset.divided(0.25, 0)
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    supernet = Supernet(registry.get(SPACE, CLASSES), seed=0).train() if kind == "search" else None
    step = search_step(dataset, supernet) if supernet is not None else child_step(dataset)
    waited, whole = 0.0, 0.0
    with make_loader(Batches(train, dataset, batch, seed=0, shift=1 / 8), train) as batches:
        for number in range(count + SKIPPED):
            start = time.perf_counter()
            given = batches(number)
            ready = time.perf_counter()
            step(*given)
            if number >= SKIPPED:
                waited, whole = waited + ready - start, whole + time.perf_counter() - start
    steps = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if supernet is not None:
        calibration = train.fitted(np.arange(calibration_count(512, SIZE)))
        children = StreamedChildren(supernet, calibration, validation.take(np.arange(256)), dataset)
        children([supernet.space.sample(np.random.default_rng(0))])
    own, others = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(json.dumps({"mib": round(own), "loaded_mib": round(loaded), "steps_mib": round(steps),
                      "workers_mib": round(others), "wait": round(waited / whole, 4),
                      "step_s": round(whole / count, 4)}))  # fmt: skip


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, float]:
    """All figures."""
    found: dict[str, float] = dict(decoding(folder, asked.decoded))
    photos = folder_of(folder / "many", asked.images, asked.distinct, (SIZE, SIZE))
    shards = pack(photos, out=folder / "packed", progress=None).path
    small = load(photos, SIZE, reading=Reading(stream=True, statistics="imagenet"), progress=None).train
    found["decode_224_files_whole"] = rate(lambda i: small.fitted(np.array([i])), asked.decoded)
    for kind, batch in (("train", asked.batch), ("search", asked.search_batch)):
        for name, path in (("folder", photos), ("shards", shards)):
            done = subprocess.run(
                [sys.executable, __file__, "--steps-of", kind, "--data", str(path), "--batch", str(batch),
                 "--steps", str(asked.steps)],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr)
            values = json.loads(done.stdout.splitlines()[-1])
            found |= {f"{kind}_{name}_{key}": value for key, value in values.items()}
            decoded = batch / found["decode_224_files_whole"] / count_workers()
            found[f"{kind}_{name}_bound"] = round(max(0.0, 1 - values["step_s"] * (1 - values["wait"]) / decoded), 4)
            print(kind, name, values, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000, help="of the large folder")
    parser.add_argument("--distinct", type=int, default=300, help="images that differ; the others are links to them")
    parser.add_argument("--decoded", type=int, default=300, help="images that decoding is timed on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--search-batch", type=int, default=4, help="in the supernet of SPACE at 224 px")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--steps-of", choices=("train", "search"), help="only this, on --data, in this process")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--temporary", type=Path, help="folder with room for the images, by default the system's")
    parser.add_argument("--save", type=Path, help="also write the figures there, with their origin")
    asked = parser.parse_args()
    if asked.steps_of:
        run_steps(asked.steps_of, asked.data, asked.batch, asked.steps)
        return
    with TemporaryDirectory(dir=asked.temporary) as folder:
        figures = measured(asked, Path(folder))
    record(figures, asked.save, {"arguments": {**vars(asked), "save": None, "temporary": None, "data": None}})


if __name__ == "__main__":
    main()
