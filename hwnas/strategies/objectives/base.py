"""The bases of rewards and losses: frozen models whose fields are their constants."""

from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from ...errors import InputError
from ..constants import Constants

if TYPE_CHECKING:
    import torch


class Objective(Constants):
    """What rewards and losses have in common."""

    uses_target: ClassVar[bool] = True
    """Whether it looks at the target, which may else be anything."""

    def require_target(self, target_ms: float) -> None:
        """Raise `InputError` unless `target_ms` can be the target latency."""
        if self.uses_target and not (isfinite(target_ms) and target_ms > 0):
            raise InputError(
                f"the target latency of an objective is a number of ms above 0, not {target_ms:g}",
                code="objectives.target",
                target_ms=target_ms,
            )


class Reward(Objective):
    """A score to raise, of one architecture. A subclass adds `__call__`, and constants as fields.

    class Mine(Reward):
        weight: float = Field(default=0.1, ge=0, description="price of the relative excess")

        def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
            return accuracy - self.weight * max(0.0, latency_ms / target_ms - 1)
    """

    trades_latency: ClassVar[bool] = True
    """Whether it weighs latency against accuracy. Then a score must be an accuracy, and a sampler needs no limit."""

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """The reward of an accuracy (0 to 1) and a latency in ms."""
        raise NotImplementedError


class Loss(Objective):
    """Cross-entropy and expected latency as one loss. A subclass adds `loss`, and constants as fields."""

    def loss(self, cross_entropy: "torch.Tensor", expected_ms: "torch.Tensor", target_ms: float) -> "torch.Tensor":
        """What to lower. `expected_ms` is of the probabilities of the gates that made `cross_entropy`."""
        raise NotImplementedError

    def update_multiplier(self, expected_ms: float, target_ms: float) -> None:
        """Take note of the expected latency under the present probabilities of all candidates, after each step."""

    def state_dict(self) -> dict[str, float]:
        """All that it must keep of the search so far: by default nothing."""
        return {}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Resume from `state`."""
