"""Objectives: accuracy and latency together, as a reward to raise or a loss to lower.

A `Reward` is for what is told a number, a `Loss` for what follows a gradient. Both are frozen models whose fields are
their constants; the latency that they are for (`target_ms`) comes with each call.
"""

from collections.abc import Mapping
from typing import Any, Literal, overload

from ... import references
from .base import Loss, Objective, Reward
from .losses import AddLinear, CrossEntropy, FBNetLoss, Lagrangian, MulLog
from .rewards import Accuracy, Hard, MnasNetHard, MnasNetSoft, ProxylessR, Tunas

__all__ = [
    "LOSSES",
    "REWARDS",
    "Kind",
    "Lagrangian",
    "Loss",
    "Objective",
    "Reward",
    "current_name",
    "get",
    "loss",
    "reward",
]

Kind = Literal["reward", "loss"]

REWARDS: dict[str, type[Reward]] = {
    "accuracy": Accuracy,
    "hard": Hard,
    "mnasnet-soft": MnasNetSoft,
    "mnasnet-hard": MnasNetHard,
    "tunas": Tunas,
    "proxyless-r": ProxylessR,
}
"""Every reward by name."""

LOSSES: dict[str, type[Loss]] = {
    "lagrangian": Lagrangian,
    "none": CrossEntropy,
    "add-linear": AddLinear,
    "mul-log": MulLog,
    "fbnet": FBNetLoss,
}
"""Every loss by name."""

BASES: dict[Kind, tuple[type[Reward] | type[Loss], Mapping[str, Any]]] = {
    "reward": (Reward, REWARDS),
    "loss": (Loss, LOSSES),
}

FORMER_NAMES = {"steered": "lagrangian"}
"""Names in older files, and what they are now."""


def current_name(name: str) -> str:
    """The name that an objective has now, where a file has a former one."""
    return FORMER_NAMES.get(name, name)


@overload
def get(kind: Literal["reward"], reference: str, *, trusted: bool = True) -> type[Reward]: ...
@overload
def get(kind: Literal["loss"], reference: str, *, trusted: bool = True) -> type[Loss]: ...
def get(kind: Kind, reference: str, *, trusted: bool = True) -> type[Reward] | type[Loss]:
    """The class of the reward or loss that `reference` names: built in, or anyone's (see `references`). Raises
    `InputError` for what there is not or is no such one, and for one that a file names and that is not allowed."""
    base, known = BASES[kind]
    found: type[Reward] | type[Loss] = references.resolve(
        "objectives",
        current_name(reference),
        known,
        trusted=trusted,
        accepts=lambda found: isinstance(found, type) and issubclass(found, base),
    ).value
    return found


def reward(name: str, values: Mapping[str, Any] | None = None) -> Reward:
    """The reward `name` with `values` for its constants. Raises `InputError` for what there is not."""
    return get("reward", name).parse(values or {}, f"the reward {name}")


def loss(name: str, values: Mapping[str, Any] | None = None) -> Loss:
    """The loss `name` with `values` for its constants, at the start of a search. Raises `InputError`."""
    return get("loss", name).parse(values or {}, f"the loss {name}")
