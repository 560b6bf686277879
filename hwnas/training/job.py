"""A training run in its folder: checked before it begins, resumed where it was interrupted, recorded at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from ..errors import InputError
from ..files import read_json, require_empty, write_json
from ..progress import Progress, Report
from ..space.net import Net
from . import train as training
from .classifier import require_classifier, require_same_classes
from .config import TrainConfig
from .data import Dataset, load
from .run import NET, RECORD, SEARCH, WEIGHTS, TrainRecord, read_net, read_record, versions, write_run

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


@dataclass(frozen=True)
class TrainResult:
    """A finished training: its folder, which this object is wherever a path is asked for, and its record."""

    path: Path
    record: TrainRecord

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def top1(self) -> float:
        """Share of the test images that are put in their class, 0 to 1."""
        return self.record.top1

    @property
    def history(self) -> tuple[float, ...]:
        """Mean training loss of each epoch."""
        return self.record.history

    def read_net(self) -> Net:
        """The network that was trained."""
        return read_net(self.path)


def load_data(jobs: Sequence[Job], config: TrainConfig, progress: Progress = True) -> Dataset:
    """The images of all `jobs`, each of which is checked first. Raises `InputError` for what cannot be trained, and for
    a folder that holds something else ("folder.not-empty")."""
    for job in jobs:
        require_run_folder(job.out)
    nets = [job.read_net() for job in jobs]
    for net in nets:
        require_classifier(net)
    resolutions = sorted({net.resolution for net in nets})
    if len(resolutions) != 1:
        raise InputError(
            f"networks trained at once take images of one size, not {resolutions} px",
            code="training.resolutions",
            resolutions=resolutions,
        )
    dataset = load(config.data, resolutions[0], config.root, progress)
    for net in nets:
        require_same_classes(net, dataset)
    return dataset


def require_run_folder(out: Path) -> None:
    """Raise `InputError` where `out` holds something, unless that is a training run; remove what a kill left there."""
    for name in (STATE, SEARCH, NET, WEIGHTS, RECORD):
        for leftover in out.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (out / STATE).exists() and not is_finished(out):
        require_empty(out)


def is_finished(out: Path) -> bool:
    """Whether the folder `out` holds a finished training run."""
    return (out / RECORD).exists()


def count_updates(dataset: Dataset, config: TrainConfig) -> int:
    """The number of updates of one run."""
    return config.recipe.epochs * (len(dataset.train) // config.recipe.batch_size)


def run_job(job: Job, dataset: Dataset, config: TrainConfig, report: Report) -> TrainRecord:
    """Train one job, or resume it, or return its record. Raises as `training.train` and `read_finished`."""
    if is_finished(job.out):
        return read_finished(job, dataset, config)
    net = job.read_net()
    start = perf_counter()
    state = job.out / STATE
    trained = training.train(net, dataset, config.recipe, job.seed, state, report)
    record = TrainRecord(
        config=config.recorded(dataset.name, job.seed),
        fingerprint=dataset.fingerprint,
        labels=dataset.labels,
        mean=dataset.mean,
        std=dataset.std,
        fitting=dataset.fitting,
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


def read_finished(job: Job, dataset: Dataset, config: TrainConfig) -> TrainRecord:
    """The record in `job.out`. Raises `InputError` ("training.other-run") unless it is of this very run."""
    record = read_record(job.out)
    settings = (record.recipe.to_json(), record.config.recipe_name, record.seed, record.fingerprint)
    wanted = (config.recipe.to_json(), config.recipe_name, job.seed, dataset.fingerprint)
    if settings != wanted or read_net(job.out) != job.read_net():
        raise InputError(
            f"{job.out} holds another training run: name another folder or remove it first",
            code="training.other-run",
            path=job.out,
        )
    (job.out / STATE).unlink(missing_ok=True)
    return record
