"""Published losses of a cross-entropy and an expected latency.

Where a publication takes the logarithm of a latency, it is that of microseconds here: a fast network takes less than a
millisecond, of which the logarithm is negative, and has no power.
"""

from math import log
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr

from ...errors import InputError
from .base import Loss

if TYPE_CHECKING:
    import torch

US_PER_MS = 1000.0


class Lagrangian(Loss):
    """CE + λ·(E − T)/T, with a multiplier λ that moves so that the expected latency E ends at the target T.

    The form is ProxylessNAS's (1812.00332, eq. 7, with E relative to T); there λ is tuned by hand for every target.
    Here λ is the multiplier of the constraint E = T, found while searching by a proportional-integral controller on
    the relative error, the usual form of the modified differential method of multipliers (Platt & Barr 1988; its
    proportional term is what damps the oscillation of plain dual ascent). An equality has a multiplier of either
    sign: where accuracy alone would choose too fast a network, as on a short search it can, λ turns negative.
    """

    proportional: float = Field(default=10.0, description="weight of the last relative error in λ; ours")
    integral: float = Field(default=0.2, description="weight of the sum of all relative errors in λ; ours")
    _error: float = PrivateAttr(default=0.0)
    _accumulated: float = PrivateAttr(default=0.0)

    @property
    def multiplier(self) -> float:
        """λ, from the error of the last update and all before it."""
        return self.proportional * self._error + self.integral * self._accumulated

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """CE + λ·(E / T − 1)."""
        return cross_entropy + self.multiplier * (expected_ms / target_ms - 1)

    def update_multiplier(self, expected_ms: float, target_ms: float) -> None:
        """Move λ by how far the expected latency is from the target."""
        self._error = expected_ms / target_ms - 1
        self._accumulated += self._error

    def state_dict(self) -> dict[str, float]:
        """The last error and the sum of all."""
        return {"error": self._error, "accumulated": self._accumulated}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Resume from `state`."""
        self._error, self._accumulated = state["error"], state["accumulated"]


class CrossEntropy(Loss):
    """CE: latency does not count (DARTS, SNAS and DSNAS as published)."""

    uses_target: ClassVar[bool] = False

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """CE."""
        return cross_entropy


class AddLinear(Loss):
    """CE + λ·(E − T)/T with a fixed λ (1812.00332, eq. 7)."""

    weight: float = Field(default=0.1, description="λ; that of ProxylessNAS's code for a search on a phone")

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """CE + λ·(E / T − 1)."""
        return cross_entropy + self.weight * (expected_ms / target_ms - 1)


class MulLog(Loss):
    """CE · a·(ln E / ln T)^b, the form that ProxylessNAS's code uses for its search on a phone (1812.00332)."""

    alpha: float = Field(default=0.2, description="a; ProxylessNAS's code")
    beta: float = Field(default=0.3, description="b; ProxylessNAS's code")

    def require_target(self, target_ms: float) -> None:
        """Raise `InputError` unless the logarithm of `target_ms` in µs is above 0."""
        super().require_target(target_ms)
        if target_ms * US_PER_MS <= 1:
            message = f"mul-log takes the logarithm of the target in µs: give more than 0.001 ms, not {target_ms:g}"
            raise InputError(message, code="objectives.target", target_ms=target_ms)

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """CE · a·(ln E / ln T)^b, E and T in µs."""
        return cross_entropy * self.alpha * (log_us(expected_ms) / log(target_ms * US_PER_MS)) ** self.beta


class FBNetLoss(Loss):
    """CE · α·(ln E)^β (1812.03443, eq. 2). It has no target: the two constants say how much latency counts."""

    uses_target: ClassVar[bool] = False

    alpha: float = Field(default=0.2, description="α; 1812.03443, §4")
    beta: float = Field(default=0.6, description="β; 1812.03443, §4")

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """CE · α·(ln E)^β, E in µs."""
        return cross_entropy * self.alpha * log_us(expected_ms) ** self.beta


def log_us(ms: "torch.Tensor") -> "torch.Tensor":
    """ln of `ms` in microseconds, with its gradient. Raises `InputError` up to 1 µs, of which powers of it are not."""
    if (value := float(ms.detach())) * US_PER_MS <= 1:
        message = f"an expected latency of {value:g} ms is too little for a loss of its logarithm: it must be over 1 µs"
        raise InputError(message, code="objectives.latency", expected_ms=value)
    return (ms * US_PER_MS).log()
