"""Published rewards of an accuracy and a latency."""

from typing import ClassVar

from pydantic import Field

from .base import Reward


class Accuracy(Reward):
    """The accuracy: latency does not count. NAS with RL and ENAS as published (1611.01578; 1802.03268)."""

    uses_target: ClassVar[bool] = False
    trades_latency: ClassVar[bool] = False

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """The accuracy."""
        return accuracy


class Hard(Reward):
    """The accuracy up to the target, and a constant above it that no accuracy is as bad as."""

    trades_latency: ClassVar[bool] = False

    outside: float = Field(default=-1.0, description="the reward above the target")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """The accuracy, or `outside`."""
        return accuracy if latency_ms <= target_ms else self.outside


class MnasNetSoft(Reward):
    """accuracy · (ms / target)^w, where w is `alpha` up to the target and `beta` above it (1807.11626, eq. 2, 3)."""

    alpha: float = Field(
        default=-0.07, description="w up to the target; §3.1: twice the latency is worth it for 5 % more accuracy"
    )
    beta: float = Field(default=-0.07, description="w above the target; §3.1")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """accuracy · (ms / target)^w."""
        return float(accuracy * (latency_ms / target_ms) ** (self.alpha if latency_ms <= target_ms else self.beta))


class MnasNetHard(MnasNetSoft):
    """`MnasNetSoft` with the constants for a constraint: nothing is gained under the target, and much is lost above."""

    alpha: float = Field(default=0.0, description="w up to the target; §3.1")
    beta: float = Field(default=-1.0, description="w above the target; §3.1")


class Tunas(Reward):
    """accuracy + β · |ms / target − 1|: the absolute reward, which pulls to the target from both sides (2008.06120)."""

    beta: float = Field(default=-0.1, description="β, below 0; the authors' code for a search on images")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """accuracy + β · |ms / target − 1|."""
        return accuracy + self.beta * abs(latency_ms / target_ms - 1)


class ProxylessR(Reward):
    """accuracy · (target / ms)^exponent: ProxylessNAS's for REINFORCE (1812.00332, §3.3 and its code)."""

    exponent: float = Field(default=0.1, description="the exponent; the authors' code")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """accuracy · (target / ms)^exponent."""
        return float(accuracy * (target_ms / latency_ms) ** self.exponent)
