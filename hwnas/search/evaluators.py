"""What an architecture is worth by itself, without shared weights: by training it, by a published table, by a proxy."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ..accuracy.proxies import PROXIES
from ..accuracy.published import PublishedAccuracies
from ..errors import InputError
from ..space.space import Arch, SearchSpace
from ..training.data import Dataset, holdout
from ..training.recipe import Recipe
from ..training.train import train

VALIDATION_SHARE = 0.25
"""Part of the training images that architectures are judged on."""

SHORT_EPOCHS = 2

BATCH = 128
"""Images that a proxy looks at (2006.04647, §4)."""


@dataclass(frozen=True)
class Evaluator:
    """Architecture to what it is worth, the larger the better; always the same for one.

    `identity` is all that it depends on, as JSON: scores of equal identities can be put together.
    """

    name: str
    identity: dict[str, Any]
    score: Callable[[Arch], float]

    def __call__(self, arch: Arch) -> float:
        """The score of `arch`."""
        return self.score(arch)


def trained(
    name: str,
    space: SearchSpace,
    dataset: Dataset,
    *,
    seed: int,
    epochs: int = SHORT_EPOCHS,
    held: float = VALIDATION_SHARE,
) -> Evaluator:
    """Top-1 (0 to 1) after `epochs` from scratch, on a part `held` of the training images that are not trained on."""
    if epochs < 1:
        raise InputError(f"the evaluator {name} trains at least 1 epoch, not {epochs}")
    rest, judging = holdout(dataset.train, held, seed)
    images, recipe = replace(dataset, train=rest, test=judging), Recipe(epochs=epochs)
    at = cache(images.at)  # where the resolution is a choice

    def score(arch: Arch) -> float:
        net = space.derive(arch)
        return train(net, at(net.resolution), recipe, seed).top1

    identity = {"data": dataset.fingerprint, "seed": seed, "held": held, "recipe": recipe.model_dump()}
    return Evaluator(name, {"evaluator": name, **identity}, score)


def table(
    space: SearchSpace, dataset: Dataset, *, seed: int, accuracies: str | Path | None = None, trial: int = 0
) -> Evaluator:
    """The accuracy in the file `accuracies` (see `PublishedAccuracies`): of the training `trial`, counted from 1, or
    for 0 the mean of all. They are of test images: for comparing strategies, not for finding a network to report."""
    if accuracies is None:
        raise InputError("the evaluator table needs a file of published accuracies")
    if space.name != "nas-bench-macro":
        raise InputError(f"published accuracies are of the networks of nas-bench-macro, not of {space.name}")
    published = PublishedAccuracies.load(accuracies, space)
    if not 0 <= trial <= published.trainings:
        raise InputError(f"{accuracies} has {published.trainings} trainings of each network: {trial} is none of them")

    def score(arch: Arch) -> float:
        return published.trials(arch)[trial - 1] if trial else published.accuracy(arch)

    return Evaluator("table", {"evaluator": "table", "accuracies": published.digest, "trial": trial}, score)


def untrained(name: str, space: SearchSpace, dataset: Dataset, *, seed: int, batch: int = BATCH) -> Evaluator:
    """The proxy `name` (see `training.proxies`) of fresh weights, on `batch` training images where it looks at any."""
    if batch < 2:
        raise InputError(f"the evaluator {name} looks at least at 2 images, not {batch}")
    count = min(batch, len(dataset.train))
    chosen = dataset.train.take(np.random.default_rng(seed).choice(len(dataset.train), count, replace=False))
    images = dataset.normalise(chosen.images)

    def score(arch: Arch) -> float:
        return PROXIES[name](space.derive(arch), images, chosen.labels, seed)

    return Evaluator(name, {"evaluator": name, "data": dataset.fingerprint, "seed": seed, "batch": count}, score)


EVALUATORS: dict[str, Callable[..., Evaluator]] = {
    "short": partial(trained, "short"),
    "full": partial(trained, "full", epochs=Recipe().epochs),
    "table": table,
    **{name: partial(untrained, name) for name in PROXIES},
}
"""Every evaluator by name: (space, dataset, seed=, **constants)."""

KINDS = {int: (int, "a whole number"), float: (int | float, "a number"), type(None): (str | Path, "a file")}
"""By the kind of a constant's default: what it can be, and that in words."""

FOR_PROXIES = ("accuracy", "hard")
"""Rewards that a score which is no accuracy can be put into: they do not weigh it against the latency."""


def evaluator(name: str, space: SearchSpace, dataset: Dataset, *, seed: int, **constants: Any) -> Evaluator:
    """The evaluator `name` of architectures of `space`. Raises `InputError` for no such one, and for constants that are
    wrong or that it does not have."""
    require_constants(name, constants)
    return EVALUATORS[name](space, dataset, seed=seed, **constants)


def require_constants(name: str, constants: Mapping[str, Any]) -> None:
    """Raise `InputError` for no evaluator `name`, and for `constants` that it does not have or of another kind."""
    if name not in EVALUATORS:
        raise InputError(f"no evaluator {name!r}: there are {', '.join(EVALUATORS)}")
    parameters = inspect.signature(EVALUATORS[name]).parameters
    known = [one for one in parameters if one not in ("space", "dataset", "seed")]
    for constant, value in constants.items():
        if constant not in known:
            raise InputError(f"the evaluator {name} has no constant {constant!r}: it has {', '.join(known)}")
        taken, words = KINDS[type(parameters[constant].default)]
        if isinstance(value, bool) or not isinstance(value, taken):
            raise InputError(f"{constant} of the evaluator {name} is {words}, not {value!r}")


def require_objective(name: str, objective: str) -> None:
    """Raise `InputError` where the reward `objective` takes what the evaluator `name` gives for an accuracy, and it is
    none."""
    if name in PROXIES and objective not in FOR_PROXIES:
        raise InputError(
            f"{name} gives no accuracy, which {objective} weighs against the latency: "
            f"choose the objective {' or '.join(FOR_PROXIES)}"
        )
