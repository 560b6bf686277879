"""Scores of single architectures without shared weights: by training them, from a published table, by a proxy."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from pydantic import Field

from .. import references
from ..accuracy.proxies import PROXIES
from ..accuracy.published import COVERED, PublishedAccuracies
from ..errors import InputError
from ..space.space import Arch, SearchSpace
from ..strategies.constants import Constants
from ..training.data import Dataset
from ..training.recipe import Recipe
from ..training.train import train

VALIDATION_SHARE = 0.25
"""Share of the training images that architectures are scored on, and not trained on."""

SHORT_EPOCHS = 2


class Evaluator(ABC):
    """Architecture to its score, the larger the better; always the same for one architecture.

    A subclass names the frozen model of its constants, and whether its scores are accuracies (0 to 1), which an
    objective may weigh against the latency. `name` is set to what it was found by.
    """

    constants: ClassVar[type[Constants]] = Constants
    gives_accuracy: ClassVar[bool] = True
    name: str = ""

    def __init__(self, space: SearchSpace, dataset: Dataset, constants: Constants, *, seed: int) -> None:
        self.space, self.dataset, self.settings, self.seed = space, dataset, constants, seed

    @abstractmethod
    def __call__(self, arch: Arch) -> float:
        """The score of `arch`."""

    @property
    def identity(self) -> dict[str, Any]:
        """All that a score depends on, as JSON: scores of equal identities can be put together."""
        return {"evaluator": self.name, "data": self.dataset.fingerprint, "seed": self.seed,
                **self.settings.model_dump(mode="json")}  # fmt: skip


class TrainedConstants(Constants):
    """Constants of evaluators that train."""

    epochs: int = Field(default=Recipe().epochs, ge=1, description="passes over the images, from scratch")
    validation_share: float = Field(default=VALIDATION_SHARE, gt=0, lt=1,
                                    description="of the training images, scored on and not trained on")  # fmt: skip


IDENTIFYING = {"epochs", "batch_size", "optimizer", "lr", "weight_decay", "warmup", "label_smoothing", "ema", "shift"}
"""Settings of the recipe by which checkpoints of a search, those of earlier versions too, know its scores; the others
are what they always were."""


class ShortConstants(TrainedConstants):
    """Constants of `Short`."""

    epochs: int = Field(default=SHORT_EPOCHS, ge=1, description="passes over the images, from scratch")


class Trained(Evaluator):
    """Top-1 (0 to 1) on a share of the training images, after training on the rest as final networks are trained."""

    constants = TrainedConstants

    def __init__(self, space: SearchSpace, dataset: Dataset, constants: Constants, *, seed: int) -> None:
        super().__init__(space, dataset, constants, seed=seed)
        given = cast(TrainedConstants, constants)
        rest, validation = dataset.divided(given.validation_share, seed)
        self.recipe = Recipe(epochs=given.epochs, mirror=dataset.flip)
        self._share = given.validation_share
        self._at = cache(replace(dataset, train=rest, test=validation).at)  # where the resolution is a choice

    def __call__(self, arch: Arch) -> float:
        """Train `arch`."""
        net = self.space.derive(arch)
        return train(net, self._at(net.resolution), self.recipe, self.seed).top1

    @property
    def identity(self) -> dict[str, Any]:
        """Images, seed, share and recipe."""
        return {"evaluator": self.name, "data": self.dataset.fingerprint, "seed": self.seed, "held": self._share,
                "recipe": self.recipe.model_dump(include=IDENTIFYING)}  # fmt: skip


class Short(Trained):
    """The same after few epochs."""

    constants = ShortConstants


class TableConstants(Constants):
    """Constants of `Table`."""

    accuracies: str = Field(default="", description="the file, as NAS-Bench-Macro (2103.11922) is published")
    trial: int = Field(default=0, ge=0, description="which training of each network; 0: the mean of all")


class Table(Evaluator):
    """Published accuracies. They are of test images: for comparing strategies, not for finding a network to report."""

    constants = TableConstants

    def __init__(self, space: SearchSpace, dataset: Dataset, constants: Constants, *, seed: int) -> None:
        super().__init__(space, dataset, constants, seed=seed)
        given = cast(TableConstants, constants)
        if not given.accuracies:
            raise InputError("the evaluator table needs a file of published accuracies: set evaluator.accuracies",
                             code="evaluators.no-accuracies")  # fmt: skip
        if space.name not in COVERED:
            raise InputError(f"published accuracies are of the networks of {', '.join(COVERED)}, not of {space.name}",
                             code="evaluators.other-space", space=space.name)  # fmt: skip
        self.published = PublishedAccuracies.load(given.accuracies, space)
        self.trial, most = given.trial, self.published.trainings
        if self.trial > most:
            raise InputError(f"{given.accuracies} has {most} trainings of each network: {self.trial} is none of them",
                             code="evaluators.no-trial", trial=self.trial, trainings=most)  # fmt: skip

    def __call__(self, arch: Arch) -> float:
        """Look `arch` up."""
        return self.published.trials(arch)[self.trial - 1] if self.trial else self.published.accuracy(arch)

    @property
    def identity(self) -> dict[str, Any]:
        """The contents of the file, and which training."""
        return {"evaluator": self.name, "accuracies": self.published.digest, "trial": self.trial}


class ProxyConstants(Constants):
    """Constants of proxies."""

    batch: int = Field(default=128, ge=2, description="training images that it looks at, if any (2006.04647, §4)")


class Proxy(Evaluator):
    """The proxy of this name in `accuracy.proxies`, of untrained weights: no accuracy."""

    constants = ProxyConstants
    gives_accuracy = False
    proxy: ClassVar[str]

    def __init__(self, space: SearchSpace, dataset: Dataset, constants: Constants, *, seed: int) -> None:
        super().__init__(space, dataset, constants, seed=seed)
        self.count = min(cast(ProxyConstants, constants).batch, len(dataset.train))
        rng = np.random.default_rng(seed)
        chosen = rng.choice(len(dataset.train), self.count, replace=False)
        self.images, self.labels = dataset.normalise(dataset.train.fitted(chosen)), dataset.train.labels[chosen]

    def __call__(self, arch: Arch) -> float:
        """Look at an untrained `arch`."""
        return PROXIES[self.proxy](self.space.derive(arch), self.images, self.labels, self.seed)

    @property
    def identity(self) -> dict[str, Any]:
        """Images, seed, and how many of them."""
        return {"evaluator": self.name, "data": self.dataset.fingerprint, "seed": self.seed, "batch": self.count}


def _of_proxy(name: str) -> type[Evaluator]:
    return type(name.title().replace("-", ""), (Proxy,), {"proxy": name, "__doc__": f"The proxy {name}."})


EVALUATORS: dict[str, type[Evaluator]] = {
    "short": Short, "full": Trained, "table": Table, **{name: _of_proxy(name) for name in PROXIES},
}  # fmt: skip
"""Every built-in evaluator by name; each is made by `Kind(space, dataset, constants, seed=)`."""


@dataclass(frozen=True)
class ChosenEvaluator:
    """An evaluator by its reference, with its constants, checked and complete."""

    name: str
    kind: type[Evaluator]
    constants: Constants

    @staticmethod
    def find(name: str, constants: Mapping[str, Any] | None = None, *, trusted: bool = True) -> "ChosenEvaluator":
        """The evaluator `name`, built in or by reference. Raises `InputError` for none, and for wrong constants."""
        kind: type[Evaluator] = references.resolve(
            "evaluators", name, EVALUATORS, trusted=trusted,
            accepts=lambda found: isinstance(found, type) and issubclass(found, Evaluator),
        ).value  # fmt: skip
        return ChosenEvaluator(name, kind, kind.constants.parse(constants or {}, f"the evaluator {name}"))

    def build(self, space: SearchSpace, dataset: Dataset, seed: int) -> Evaluator:
        """The evaluator of architectures of `space`."""
        made = self.kind(space, dataset, self.constants, seed=seed)
        made.name = self.name
        return made

    def files(self) -> list[Path]:
        """Files that a score depends on."""
        named = isinstance(self.constants, TableConstants) and self.constants.accuracies
        return [Path(named)] if named else []
