"""The training stage: a network in, a folder with its weights and its accuracy out."""

import os
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..nn import accelerator
from ..nn.ranks import process_group
from ..progress import Progress, show_progress
from ..search.inherit import read_child, read_largest
from ..space.net import Net
from ..threads import torch_threads
from ..training import initial
from ..training import teacher as teachers
from ..training.beginnings import Origins
from ..training.config import TrainConfig, require_alone
from ..training.data import DEFAULT, Dataset
from ..training.job import Job, TrainResult, count_updates, is_finished, load_data, read_finished, run_job
from ..training.recipe import Recipe
from ..training.run import TrainRecord
from ..workers import run_all

__all__ = ["Job", "TrainConfig", "TrainResult", "train", "train_many"]


def train(
    net: Net | str | PathLike[str] | TrainConfig,
    data: str | Path | Dataset = DEFAULT,
    *,
    out: str | Path = "runs/train",
    epochs: int | None = None,
    shift: float | None = None,
    seed: int = 0,
    threads: int | None = None,
    recipe: Recipe | str | None = None,
    mirror: bool | None = None,
    val: float | Path | None = None,
    max_bad: float | None = None,
    tensorboard: bool = False,
    init: str | PathLike[str] | None = None,
    teacher: str | PathLike[str] | None = None,
    root: Path | None = None,
    progress: Progress = True,
) -> TrainResult:
    """Train `net` on `data` and write `net.json`, `weights.safetensors` and `train.json` into `out`.

    `net` is a `Net`, the path of its JSON, the folder of a search, or a whole `TrainConfig`. `data` and `root` are as
    `load` takes them; `recipe` is a `Recipe`, or the name or reference of one, of which `epochs`, `shift` and `mirror`
    replace the own ones; `threads` is torch's (all cores by default). `val` is the share of the training images (10 %
    by default) that the best epoch is chosen on, where the data set has no split for it, or the path of other images;
    with 0 all are trained on, and the last epoch is kept. At most the share `max_bad` of the images of a folder (1 %)
    may be unreadable, and is skipped. `init` names the weights to begin with, by default drawn ones, and `teacher` whom
    to learn of beside the labels: "timm:NAME", a file, the folder of a run or of a search, or "supernet". In a program
    that torchrun starts, every process returns the same result. The same call again resumes from the last checkpoint,
    or returns the result of a finished run. Raises `InputError`, among others where `out` holds anything else, and
    `DivergedError` where the loss is no longer a number.
    """
    if isinstance(net, TrainConfig):
        require_alone({"data": data != DEFAULT, "epochs": epochs is not None, "shift": shift is not None,
                       "seed": seed != 0, "threads": threads is not None, "recipe": recipe is not None,
                       "mirror": mirror is not None, "val": val is not None, "max_bad": max_bad is not None,
                       "tensorboard": tensorboard,
                       "init": init is not None, "teacher": teacher is not None,
                       "root": root is not None})  # fmt: skip
        config = net
    else:
        changes = {"epochs": epochs, "shift": shift, "mirror": mirror}
        others: dict[str, Any] = {} if val is None else {"val": val}
        others |= {} if max_bad is None else {"reading": {"max_bad": max_bad}}
        others |= {name: fspath(one) for name, one in (("init", init), ("teacher", teacher)) if one is not None}
        config = TrainConfig.of(
            net, data, recipe, changes, seed=seed, threads=threads, root=root, tensorboard=tensorboard, **others
        )
    job = Job(config.net, Path(out), config.seed)
    with torch_threads(config.threads), process_group(accelerator.pick()) as ranks:
        progress = progress if ranks.main else None
        with ranks.share_errors():
            dataset = load_data([job], config, progress, writes=ranks.main)
            origins = find_origins(job, dataset, config)
        with show_progress("train", count_updates(dataset, config), progress) as report:
            return TrainResult(job.out, run_job(job, dataset, config, report, origins, ranks))


def find_origins(job: Job, dataset: Dataset, config: TrainConfig) -> Origins:
    """The first weights and the teacher that `config` names. Raises `InputError` for those that do not fit."""
    if config.init is None and config.teacher is None:
        return Origins()
    net, found_by = job.read_net(), None if isinstance(job.net, Net) else _folder_of(Path(job.net))
    return Origins(
        None if config.init is None else initial.find(config.init, net, found_by, read_child),
        None if config.teacher is None else teachers.find(config.teacher, net, dataset, found_by, read_largest),
    )


def _folder_of(net: Path) -> Path:
    """The folder that may be of the search that found the network `net`: itself, or where its file is."""
    return net if net.is_dir() else net.parent


def train_many(
    jobs: Sequence[Job],
    data: str | Path | Dataset = DEFAULT,
    *,
    epochs: int | None = None,
    workers: int | None = None,
    recipe: Recipe | str | None = None,
    mirror: bool | None = None,
    val: float | Path | None = None,
    root: Path | None = None,
    progress: Progress = True,
) -> list[TrainRecord]:
    """`train` every job, `workers` (all cores by default) at a time in processes with one thread each; as resumable.

    The records come in the order of `jobs`. Call it under `if __name__ == "__main__":`, see `workers.run_all`.
    """
    if not jobs:
        return []
    if len({job.out.resolve() for job in jobs}) != len(jobs):
        raise InputError("two training runs share one output folder: name one for each", code="training.shared-folder")
    changes, others = {"epochs": epochs, "mirror": mirror}, {} if val is None else {"val": val}
    configs = [TrainConfig.of(job.net, data, recipe, changes, seed=job.seed, root=root, **others) for job in jobs]
    dataset = load_data(jobs, configs[0], progress)
    config = configs[0].model_copy(update={"net": Path("net.json"), "data": dataset.name, "threads": 1})
    waiting = [job for job in jobs if not is_finished(job.out)]
    with show_progress("train", len(waiting) * count_updates(dataset, config), progress) as report:
        run_all(run_job, waiting, (dataset, config), workers or os.cpu_count() or 1, report)
    return [read_finished(job, dataset, config) for job in jobs]
