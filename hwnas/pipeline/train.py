"""The training stage: a network in, a folder with its weights and its accuracy out."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import torch

from ..errors import InputError
from ..files import read_json, require_empty, write_json
from ..progress import Report, progress
from ..search.folder import RECORD as SEARCH
from ..space.net import Net
from ..training import train as training
from ..training.data import DEFAULT, Dataset, load
from ..training.recipe import Recipe
from ..training.run import NET, RECORD, WEIGHTS, TrainRecord, read_net, read_record, versions, write_run
from ..workers import run_all

STATE = "train.state"


@dataclass(frozen=True)
class Job:
    """One network to train: a `Net`, its file, or the folder of the search that found it, which is noted in `out`."""

    net: Net | Path
    out: Path
    seed: int = 0

    def read_net(self) -> Net:
        """The network itself."""
        return self.net if isinstance(self.net, Net) else read_net(Path(self.net))


def train(
    net: Net | str | Path,
    data: str | Path | Dataset = DEFAULT,
    *,
    out: str | Path = "runs/train",
    epochs: int | None = None,
    shift: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    recipe: Recipe | None = None,
    root: Path | None = None,
) -> TrainRecord:
    """Train `net` from scratch on `data` and write `net.json`, `weights.safetensors` and `train.json` into `out`.

    `net` is a `Net`, the path of its JSON, or the folder of a search. `data` and `root` are as `load` takes them;
    `epochs` and `shift` replace those in `recipe`; `threads` is torch's (all cores by default). The same call again
    goes on after the last whole epoch, or returns the record of the finished run. Raises `InputError`, among others
    where `out` holds anything else.
    """
    job = Job(net if isinstance(net, Net) else Path(net), Path(out), seed)
    if threads is not None:
        _require(threads >= 1, f"training needs at least 1 thread, not {threads}")
        torch.set_num_threads(threads)
    if shift is not None:
        _require(0 <= shift < 1, f"images are shifted by a share of their size, 0 or more and under 1, not {shift:g}")
        recipe = (recipe or Recipe()).model_copy(update={"shift": shift})
    dataset, recipe = _prepare([job], data, epochs, recipe, root)
    with progress("train", _updates(dataset, recipe)) as report:
        return _train(job, dataset, recipe, report)


def train_many(
    jobs: Sequence[Job],
    data: str | Path | Dataset = DEFAULT,
    *,
    epochs: int | None = None,
    workers: int | None = None,
    recipe: Recipe | None = None,
    root: Path | None = None,
) -> list[TrainRecord]:
    """`train` every job, `workers` (all cores by default) at a time in processes with one thread each; as resumable.

    The records come in the order of `jobs`. Call it under `if __name__ == "__main__":`, see `parallel.run_all`.
    """
    _require(len({job.out.resolve() for job in jobs}) == len(jobs), "two training runs share one output folder")
    dataset, recipe = _prepare(jobs, data, epochs, recipe, root)
    waiting = [job for job in jobs if not (job.out / RECORD).exists()]
    with progress("train", len(waiting) * _updates(dataset, recipe)) as report:
        run_all(_train, waiting, (dataset, recipe), workers or os.cpu_count() or 1, report)
    return [_finished(job, dataset, recipe) for job in jobs]


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise InputError(complaint)


def _updates(dataset: Dataset, recipe: Recipe) -> int:
    """Number of updates of one run."""
    return recipe.epochs * (len(dataset.train) // recipe.batch_size)


def _prepare(
    jobs: Sequence[Job], data: str | Path | Dataset, epochs: int | None, recipe: Recipe | None, root: Path | None
) -> tuple[Dataset, Recipe]:
    """The data and the recipe of all `jobs`, once everything about them that can be wrong has been looked at."""
    recipe = recipe or Recipe()
    if epochs is not None:
        _require(epochs >= 1, f"training needs at least 1 epoch, not {epochs}")
        recipe = recipe.model_copy(update={"epochs": epochs})
    for job in jobs:
        _require(job.seed >= 0, f"a seed is not negative, as {job.seed} is")
        _claim(job.out)
    nets = [job.read_net() for job in jobs]
    for net in nets:
        require_classifier(net)
    resolutions = sorted({net.resolution for net in nets})
    _require(len(resolutions) == 1, f"networks trained at once take images of one size, not {resolutions} px")
    dataset = load(data, resolutions[0], root)
    for net in nets:
        classes = len(dataset.labels)
        _require(net.classes == classes, f"{net.name} has {net.classes} outputs, {dataset.name} has {classes} classes")
    return dataset, recipe


def require_classifier(net: Net) -> None:
    """Raise `InputError` unless `net` takes square images of three channels and ends, there only, in a classifier."""
    first, name = net.blocks[0], net.name or "the network"
    ends = [block.op == "classifier" for block in net.blocks]
    _require(ends[-1], f"{name} does not end in a classifier")
    _require(sum(ends) == 1, f"{name} has a classifier before its end")
    _require(first.cin == 3, f"{name} takes images of {first.cin} channels, not 3")
    _require(first.height == first.width, f"{name} takes images of {first.height}×{first.width} px, which is no square")


def _claim(out: Path) -> None:
    """Raise `InputError` where `out` holds something, unless that is a training run."""
    for name in (STATE, SEARCH, NET, WEIGHTS, RECORD):
        for leftover in out.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (out / STATE).exists() and not (out / RECORD).exists():
        require_empty(out)


def _train(job: Job, dataset: Dataset, recipe: Recipe, report: Report) -> TrainRecord:
    """Train one job, or go on with it, or return its record."""
    if (job.out / RECORD).exists():
        return _finished(job, dataset, recipe)
    net = job.read_net()
    start = perf_counter()
    state = job.out / STATE
    trained = training.train(net, dataset, recipe, job.seed, state, report)
    record = TrainRecord(
        data=dataset.name,
        fingerprint=dataset.fingerprint,
        labels=dataset.labels,
        mean=dataset.mean,
        std=dataset.std,
        fitting=dataset.fitting,
        recipe=recipe,
        seed=job.seed,
        top1=trained.top1,
        history=tuple(trained.history),
        seconds=round(perf_counter() - start, 1),
        versions=versions("hwnas", "torch", "torchvision", "timm"),
    )
    if not isinstance(job.net, Net) and (job.net / SEARCH).is_file():
        write_json(job.out / SEARCH, read_json(job.net / SEARCH, "search record"))
    write_run(job.out, net, trained.module, record)
    state.unlink()
    return record


def _finished(job: Job, dataset: Dataset, recipe: Recipe) -> TrainRecord:
    """The record in `job.out`. Raises `InputError` unless it is of this very run."""
    record = read_record(job.out)
    same = (record.recipe, record.seed, record.fingerprint) == (recipe, job.seed, dataset.fingerprint)
    if not same or read_net(job.out) != job.read_net():
        raise InputError(f"{job.out} holds another training run: name another folder or remove it first")
    (job.out / STATE).unlink(missing_ok=True)
    return record
