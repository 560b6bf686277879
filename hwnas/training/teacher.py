"""Distillation (1503.02531): a trained network, the teacher, whose answers a student learns beside the labels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from ..errors import InputError
from ..nn import initial, timm_weights
from ..nn.build import Network
from ..nn.supernet import resized
from ..space.net import Net
from .batches import Batches
from .data import Dataset
from .evaluate import QUICK_CALIBRATION, recalibrate
from .initial import SUPERNET, TIMM, digest, of_run, search_of, timm_source, unknown
from .origins import Taught
from .recipe import Recipe
from .run import RECORD, SEARCH, read_record
from .trainee import Objective
from .transfer import Targets

Means = tuple[float, ...]
"""One number a channel."""
Largest = Callable[[Path], Network]
"""The folder of a search to the largest child of its shared weights."""


class Teacher:
    """A network in eval mode that gives logits for the very images that its student sees, without gradients.

    `mean` and `std` are those that the student's images were normalised by, `own_mean` and `own_std` those that the
    teacher was trained with; images are resized to `resolution` where the student's are of another.
    """

    def __init__(
        self, module: nn.Module, dataset: Dataset, taught: Taught, own: tuple[Means, Means] | None = None
    ) -> None:
        self.module, self.taught = module.eval().requires_grad_(False), taught
        mean, std = (_per_channel(values) for values in (dataset.mean, dataset.std))
        own_mean, own_std = (_per_channel(values) for values in own) if own else (mean, std)
        same = torch.equal(mean, own_mean) and torch.equal(std, own_std)
        self.change = None if same else (std / own_std, (mean - own_mean) / own_std)

    @torch.no_grad()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """The logits (N, classes) of images (N, 3, H, W) as the student takes them."""
        if self.change is not None:
            scale, shift = (values.to(images) for values in self.change)
            images = images * scale + shift
        logits: torch.Tensor = self.module(resized(images, self.taught.resolution))
        return logits

    def to(self, device: torch.device) -> "Teacher":
        """The same on `device`."""
        self.module.to(device)
        return self


def _per_channel(values: Means) -> torch.Tensor:
    return torch.tensor(values)[:, None, None]


def distillation_loss(
    student: torch.Tensor, teacher: torch.Tensor, targets: Targets, temperature: float
) -> torch.Tensor:
    """How far the student's logits (N, classes) are from the teacher's: a scalar.

    For `logits` the Kullback-Leibler divergence at `temperature`, times its square, so that gradients keep their size
    (1503.02531, §2; timm's `LogitDistillationTask` likewise); for `hard` the cross-entropy with the teacher's class.
    """
    if targets == "hard":
        return functional.cross_entropy(student, teacher.argmax(1))
    wanted, found = ((logits.float() / temperature).log_softmax(1) for logits in (teacher, student))
    return functional.kl_div(found, wanted, reduction="batchmean", log_target=True) * temperature**2


def distilled(recipe: Recipe, teacher: Teacher) -> Objective:
    """The loss of `recipe` and that of what `teacher` says of the same images, by the recipe's `teacher_share`."""
    share, loss = recipe.teacher_share, recipe.make_loss()

    def objective(images: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        taught = distillation_loss(logits, teacher(images), recipe.distillation, recipe.temperature)
        labelled: torch.Tensor = loss(logits, labels)
        return (1 - share) * labelled + share * taught

    return objective


def find(what: str, net: Net, dataset: Dataset, found_by: Path | None, largest: Largest) -> Teacher:
    """The teacher that `what` names, for a student `net` on `dataset`.

    `what` is "timm:NAME" or "timm:NAME=FILE", any model of timm; a file of weights of the student's own architecture;
    the folder of a training run; that of a search, or "supernet" for the search in `found_by`: the `largest` child,
    whose BatchNorms take their statistics of the training images. Raises `InputError` for anything else, and
    ("training.teacher-classes") for a teacher of other classes.
    """
    name, file = timm_source(what)
    if name:
        return _of_timm(name, file, dataset)
    path = search_of(found_by) if what == SUPERNET else Path(what)
    if (path / RECORD).is_file():
        return _of_run(path, dataset)
    if (path / SEARCH).is_file():
        module = largest(path)
        _require_classes(path.name, module.net.classes, dataset)
        batches = Batches(dataset.train, dataset, min(QUICK_CALIBRATION, len(dataset.train)), seed=0, augment=False)
        return Teacher(recalibrate(module, batches, 1), dataset, _taught(path.name, "search", module))
    if path.is_file():
        module = initial.read(net, path)
        _require_classes(path.name, module.net.classes, dataset)
        return Teacher(module, dataset, _taught(path.name, "file", module))
    raise unknown(what)


def _of_run(path: Path, dataset: Dataset) -> Teacher:
    """The network of a training run. Raises `InputError` where its classes have other names, too."""
    record, module = read_record(path), of_run(path)
    _require_classes(path.name, module.net.classes, dataset)
    if record.labels != dataset.labels:
        theirs, ours = next((a, b) for a, b in zip(record.labels, dataset.labels, strict=True) if a != b)
        message = f"the teacher {path.name} has other classes than {dataset.name}: {theirs}, where that has {ours}"
        raise InputError(message, code="training.teacher-classes", teacher=path.name, label=theirs)
    return Teacher(module, dataset, _taught(path.name, "run", module), (record.mean, record.std))


def _of_timm(name: str, file: Path | None, dataset: Dataset) -> Teacher:
    """A model of timm, with the normalisation and at the size that its configuration says.

    That is timm's own, or of a file the "pretrained_cfg" in the `config.json` beside it; without one, its images are of
    the size of `dataset`, for the file does not say what it was trained on.
    """
    if file is None:
        module, said = timm_weights.download(name), f"{TIMM}{name}"
        found = timm_weights.image_settings(module)
    else:
        module, said = initial.read_timm(name, file), f"{TIMM}{name}={file.name}"
        default = replace(timm_weights.image_settings(module), resolution=dataset.resolution)
        found = timm_weights.settings_beside(file) or default
    _require_classes(said, initial.count_classes(module), dataset)
    params = sum(value.numel() for value in module.parameters())
    taught = Taught(said, "timm", digest(module), params, found.resolution)
    return Teacher(module, dataset, taught, (found.mean, found.std))


def _taught(source: str, kind: Literal["file", "run", "search"], module: Network) -> Taught:
    return Taught(source, kind, digest(module), module.net.params, module.net.resolution)


def _require_classes(name: str, classes: int, dataset: Dataset) -> None:
    """Raise `InputError` ("training.teacher-classes") unless the teacher has the classes of `dataset`."""
    if classes != len(dataset.labels):
        raise InputError(
            f"the teacher {name} has {classes} classes, and {dataset.name} has {len(dataset.labels)}: "
            "take one that was trained on these",
            code="training.teacher-classes", teacher=name, classes=classes,
        )  # fmt: skip
