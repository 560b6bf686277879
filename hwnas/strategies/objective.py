"""What an architecture is worth: accuracy and latency joined, into a reward to raise or a loss to lower.

A reward is for what is told a number: `reward(name, target_ms, **constants)` makes one of `REWARDS`. A loss is for what
follows a gradient: `loss(name, target_ms, **constants)` makes one of `LOSSES`. Where a publication takes the logarithm
of a latency, it is that of microseconds here: a fast network takes less than a millisecond, of which the logarithm is
negative, and has no power.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite, log
from typing import Any, Protocol

import torch

from ..errors import InputError

Reward = Callable[[float, float], float]
"""(accuracy in 0 to 1, latency in ms) to what that is worth, the larger the better."""

US_PER_MS = 1000.0


class Loss(Protocol):
    """Cross-entropy and latency joined; what it remembers of the search so far is its state."""

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """What to lower. `expected_ms` is of the probabilities behind the gates that made `cross_entropy`."""
        ...

    def steer(self, expected_ms: float) -> None:
        """Take note of the expected latency under the present probabilities of all candidates, after each step."""
        ...

    def state_dict(self) -> dict[str, float]:
        """All that it must keep."""
        ...

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from `state`."""
        ...


def accuracy_alone(accuracy: float, ms: float, target_ms: float) -> float:
    """The accuracy: latency does not count. NAS with RL and ENAS as published (1611.01578; 1802.03268)."""
    return accuracy


def hard(accuracy: float, ms: float, target_ms: float, outside: float = -1.0) -> float:
    """The accuracy up to the target, and `outside` above it, which no accuracy is as bad as."""
    return accuracy if ms <= target_ms else outside


def mnasnet(accuracy: float, ms: float, target_ms: float, alpha: float, beta: float) -> float:
    """accuracy · (ms / target)^w, where w is `alpha` up to the target and `beta` above it (1807.11626, eq. 2, 3)."""
    return accuracy * (ms / target_ms) ** (alpha if ms <= target_ms else beta)


def mnasnet_soft(accuracy: float, ms: float, target_ms: float, alpha: float = -0.07, beta: float = -0.07) -> float:
    """`mnasnet` with the constants for a trade-off: twice the latency is worth it for 5 % more accuracy."""
    return mnasnet(accuracy, ms, target_ms, alpha, beta)


def mnasnet_hard(accuracy: float, ms: float, target_ms: float, alpha: float = 0.0, beta: float = -1.0) -> float:
    """`mnasnet` with the constants for a constraint: nothing is gained under the target, and much is lost above it."""
    return mnasnet(accuracy, ms, target_ms, alpha, beta)


def tunas(accuracy: float, ms: float, target_ms: float, beta: float = -0.1) -> float:
    """accuracy + `beta` · |ms / target − 1|: the absolute reward, which pulls to the target from both sides
    (2008.06120)."""
    return accuracy + beta * abs(ms / target_ms - 1)


def proxyless_r(accuracy: float, ms: float, target_ms: float, exponent: float = 0.1) -> float:
    """accuracy · (target / ms)^`exponent`: ProxylessNAS's for REINFORCE (1812.00332, §3.3 and its code)."""
    return accuracy * (target_ms / ms) ** exponent


REWARDS: dict[str, Callable[..., float]] = {
    "accuracy": accuracy_alone,
    "hard": hard,
    "mnasnet-soft": mnasnet_soft,
    "mnasnet-hard": mnasnet_hard,
    "tunas": tunas,
    "proxyless-r": proxyless_r,
}
"""Every reward: (accuracy, ms, target_ms, **constants) to a number."""


@dataclass
class Steered:
    """CE + λ·(E − T)/T, with a λ that is steered so that the expected latency E ends at the target T.

    The form is ProxylessNAS's (1812.00332, eq. 7, with E relative to T); there λ is tuned by hand for every budget.
    Here λ is the multiplier of the constraint E = T, found while searching by a proportional-integral controller on
    the relative error, the usual form of the modified differential method of multipliers (Platt & Barr 1988; its
    proportional term is what damps the oscillation of plain dual ascent). An equality has a multiplier of either
    sign: where accuracy alone would choose too fast a network, as on a short search it can, λ turns negative.
    """

    target_ms: float
    proportional: float = 10.0
    integral: float = 0.2

    def __post_init__(self) -> None:
        self.error = self.accumulated = 0.0

    @property
    def multiplier(self) -> float:
        """λ, from the error of the last `steer` and all before it."""
        return self.proportional * self.error + self.integral * self.accumulated

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """CE + λ·(E / T − 1)."""
        return cross_entropy + self.multiplier * (expected_ms / self.target_ms - 1)

    def steer(self, expected_ms: float) -> None:
        """Move λ by how far the expected latency is from the target."""
        self.error = expected_ms / self.target_ms - 1
        self.accumulated += self.error

    def state_dict(self) -> dict[str, float]:
        """The last error and the sum of all."""
        return {"error": self.error, "accumulated": self.accumulated}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from `state`."""
        self.error, self.accumulated = state["error"], state["accumulated"]


class Fixed:
    """A loss that remembers nothing."""

    def steer(self, expected_ms: float) -> None:
        """Nothing is steered."""

    def state_dict(self) -> dict[str, float]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Nothing is restored."""


@dataclass(frozen=True)
class CrossEntropy(Fixed):
    """CE: latency does not count (DARTS, SNAS and DSNAS as published)."""

    target_ms: float

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """CE."""
        return cross_entropy


@dataclass(frozen=True)
class AddLinear(Fixed):
    """CE + λ·(E − T)/T with the λ of ProxylessNAS's search on a phone (1812.00332, eq. 7 and its code)."""

    target_ms: float
    weight: float = 0.1

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """CE + λ·(E / T − 1)."""
        return cross_entropy + self.weight * (expected_ms / self.target_ms - 1)


@dataclass(frozen=True)
class MulLog(Fixed):
    """CE · a·(ln E / ln T)^b, the form that ProxylessNAS's code uses for its search on a phone (1812.00332)."""

    target_ms: float
    alpha: float = 0.2
    beta: float = 0.3

    def __post_init__(self) -> None:
        if self.target_ms * US_PER_MS <= 1:
            raise InputError("mul-log takes the logarithm of the target in µs: give more than 0.001 ms")

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """CE · a·(ln E / ln T)^b, E and T in µs."""
        return cross_entropy * self.alpha * (log_us(expected_ms) / log(self.target_ms * US_PER_MS)) ** self.beta


@dataclass(frozen=True)
class FBNetLoss(Fixed):
    """CE · α·(ln E)^β (1812.03443, eq. 2). It has no target: the two constants say how much latency counts."""

    target_ms: float
    alpha: float = 0.2
    beta: float = 0.6

    def loss(self, cross_entropy: torch.Tensor, expected_ms: torch.Tensor) -> torch.Tensor:
        """CE · α·(ln E)^β, E in µs."""
        return cross_entropy * self.alpha * log_us(expected_ms) ** self.beta


LOSSES: dict[str, Callable[..., Loss]] = {
    "steered": Steered,
    "none": CrossEntropy,
    "add-linear": AddLinear,
    "mul-log": MulLog,
    "fbnet": FBNetLoss,
}
"""Every loss: (target_ms, **constants) to what joins a cross-entropy and an expected latency."""

TARGETLESS = ("accuracy", "none", "fbnet")
"""Objectives that do not look at the target, which may then be anything."""


def log_us(ms: torch.Tensor) -> torch.Tensor:
    """ln of `ms` in microseconds, with its gradient. Raises `InputError` up to 1 µs, of which powers of it are not."""
    if float(ms.detach()) * US_PER_MS <= 1:
        raise InputError(f"an expected latency of {float(ms.detach()):g} ms is too little for a loss of its logarithm")
    return (ms * US_PER_MS).log()


def reward(name: str, target_ms: float, **constants: float) -> Reward:
    """The reward `name` for a target. Raises `InputError` for no such one, and for wrong constants or target."""
    _check("reward", REWARDS, name, target_ms, constants)
    rule = REWARDS[name]
    return lambda accuracy, ms: float(rule(accuracy, ms, target_ms, **constants))


def loss(name: str, target_ms: float, **constants: float) -> Loss:
    """The loss `name` for a target. Raises `InputError` for no such one, and for wrong constants or target."""
    _check("loss", LOSSES, name, target_ms, constants)
    return LOSSES[name](target_ms, **constants)


def _check(what: str, known: Mapping[str, Any], name: str, target_ms: float, constants: Mapping[str, float]) -> None:
    if name not in known:
        raise InputError(f"no {what} {name!r}: there are {', '.join(known)}")
    taken = [one for one in inspect.signature(known[name]).parameters if one not in ("accuracy", "ms", "target_ms")]
    for constant, value in constants.items():
        if constant not in taken:
            raise InputError(f"the {what} {name} has no constant {constant!r}: it has {', '.join(taken) or 'none'}")
        if not (isinstance(value, int | float) and isfinite(value)):
            raise InputError(f"{constant} of the {what} {name} must be a number, not {value}")
    if name not in TARGETLESS and not (isfinite(target_ms) and target_ms > 0):
        raise InputError(f"the target of the {what} {name} must be a number of ms above 0, not {target_ms:g}")
