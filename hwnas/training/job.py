"""A training run in its folder: checked before it begins, resumed where it was interrupted, recorded at its end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

from ..errors import InputError
from ..files import read_json, require_empty, write_json
from ..nn.ranks import Ranks
from ..progress import Progress, Report
from ..space.net import Net
from . import train as training
from .beginnings import NOTHING, Origins
from .checkpoints import EARLIER, is_earlier
from .classifier import require_classifier, require_same_classes
from .config import TrainConfig
from .data import Dataset, load
from .events import EVENTS, TensorBoard
from .loop import Trained
from .run import LAST, NET, RECORD, SEARCH, WEIGHTS, TrainRecord, read_net, read_record, versions, write_run
from .splits import Images, stratified

STATE = "train.state"
SPLIT_SEED = 0
"""Of the validation split: one for all trainings on a data set, so that they can be compared."""


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


def load_data(jobs: Sequence[Job], config: TrainConfig, progress: Progress = True, writes: bool = True) -> Dataset:
    """The images of all `jobs`, each of which is checked first, and its folder if this process `writes` it. Raises
    `InputError` for what cannot be trained, and for a folder that holds something else ("folder.not-empty")."""
    for job in jobs if writes else ():
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
    dataset = load(
        config.data, resolutions[0], config.root, progress, config.reading,
        val=config.val if isinstance(config.val, Path) else None,
    )  # fmt: skip
    for net in nets:
        require_same_classes(net, dataset)
    return dataset


def require_run_folder(out: Path) -> None:
    """Raise `InputError` where `out` holds something, unless that is a training run; remove what a kill left there."""
    for name in (STATE, SEARCH, NET, WEIGHTS, LAST, RECORD):
        for leftover in out.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (out / STATE).exists() and not is_finished(out):
        require_empty(out)


def is_finished(out: Path) -> bool:
    """Whether the folder `out` holds a finished training run."""
    return (out / RECORD).exists()


def count_updates(dataset: Dataset, config: TrainConfig) -> int:
    """The number of updates of one run."""
    images = len(dataset.train)
    if dataset.val is None and config.val_share:
        images = len(stratified(dataset.train.labels.numpy(), config.val_share, SPLIT_SEED)[0])
    return config.recipe.epochs * max(1, images // config.recipe.batch_size)


def divide(dataset: Dataset, config: TrainConfig) -> tuple[Dataset, Images | None]:
    """What is trained and tested on, and the validation split, which all seeds have in common: None for a share of 0
    of a data set that has none."""
    if dataset.val is None and not config.val_share:
        return dataset, None
    rest, validation = dataset.divided(config.val_share, SPLIT_SEED)
    return (dataset if rest is dataset.train else replace(dataset, train=rest)), validation


def run_job(
    job: Job,
    dataset: Dataset,
    config: TrainConfig,
    report: Report,
    origins: Origins = NOTHING,
    ranks: Ranks | None = None,
) -> TrainRecord:
    """Train one job, or resume it, or return its record, on each of `ranks`, of which the main one reads and writes the
    folder. Raises as `training.train` and `read_finished`."""
    ranks = ranks or Ranks()
    with ranks.share_errors():
        finished = read_finished(job, dataset, config, origins) if ranks.main and is_finished(job.out) else None
        net, state = job.read_net(), job.out / STATE
        earlier = ranks.main and is_earlier(state)
    if (finished := ranks.same(finished)) is not None:
        return finished
    start = perf_counter()
    config = of_earlier(config) if ranks.same(earlier) else config
    with ranks.share_errors():
        shown, validation = divide(dataset, config)
    trained = training.train(
        net, shown, config.recipe, job.seed, state, report,
        validation=validation,
        every_seconds=config.checkpoint_seconds,
        events=TensorBoard(job.out / EVENTS) if config.tensorboard and ranks.main else None,
        ranks=ranks, origins=origins, synchronised=config.synchronised,
    )  # fmt: skip
    record = _record(job, dataset, config, trained, origins, round(perf_counter() - start, 1))
    with ranks.share_errors():
        if ranks.main:
            _write(job, net, trained, record)
    return ranks.same(record)


def _record(
    job: Job, dataset: Dataset, config: TrainConfig, trained: Trained, origins: Origins, seconds: float
) -> TrainRecord:
    """What to write down."""
    return TrainRecord(
        config=config.recorded(dataset.name, job.seed),
        fingerprint=dataset.fingerprint,
        labels=dataset.labels,
        mean=dataset.mean,
        std=dataset.std,
        fitting=dataset.fitting,
        top1=trained.top1,
        history=tuple(trained.history),
        seconds=seconds,
        versions=versions("hwnas", "torch", "torchvision", "timm"),
        epoch=trained.epoch,
        validation_history=tuple(trained.validation_history),
        validation=trained.validation,
        test=trained.test,
        used={**trained.used, **({"data_notes": list(dataset.notes)} if dataset.notes else {})},
        init=trained.begun,
        teacher=origins.teacher.taught if origins.teacher else None,
    )


def _write(job: Job, net: Net, trained: Trained, record: TrainRecord) -> None:
    """Write the files of a finished run, and remove its checkpoint."""
    if not isinstance(job.net, Net) and (job.net / SEARCH).is_file():
        write_json(job.out / SEARCH, read_json(job.net / SEARCH, "search record"))
    write_run(job.out, net, trained, record)
    (job.out / STATE).unlink()


def of_earlier(config: TrainConfig) -> TrainConfig:
    """`config` as earlier versions understood it: no validation split, and images mirrored."""
    return config.model_copy(update={"val": 0.0, "recipe": config.recipe.model_copy(update=EARLIER)})


def read_finished(job: Job, dataset: Dataset, config: TrainConfig, origins: Origins = NOTHING) -> TrainRecord:
    """The record in `job.out`. Raises `InputError` ("training.other-run") unless it is of this very run."""
    record = read_record(job.out)
    if record.test is None:
        config = of_earlier(config)
    settings = (record.recipe.to_json(), record.config.recipe_name, record.config.val, record.seed, record.fingerprint)
    config = config.recorded(dataset.name, job.seed)
    wanted = (config.recipe.to_json(), config.recipe_name, config.val, job.seed, dataset.fingerprint)
    begun = {name: one.sha256 for name, one in (("init", record.init), ("teacher", record.teacher)) if one}
    if settings != wanted or begun != origins.digests or read_net(job.out) != job.read_net():
        raise InputError(
            f"{job.out} holds another training run: name another folder or remove it first",
            code="training.other-run",
            path=job.out,
        )
    (job.out / STATE).unlink(missing_ok=True)
    return record
