"""The baseline of a policy: a moving average of rewards."""

import torch


class Baseline:
    """An exponential moving average of the mean rewards of batches, debiased: divided by the weight of all that it has
    seen, 1 − `decay`^t (TuNAS, 2008.06120; Adam's correction, 1412.6980, §3).

    It takes a batch in before it is compared with, as in the code of ENAS, TuNAS and ProxylessNAS. That shrinks the
    gradient of a batch of n by a factor between 1 − 1/n and 1, of which Adam sees nothing. Without debiasing, as ENAS
    starts from 0, whatever is drawn first would be reinforced for some 1 / (1 − `decay`) batches.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.total, self.weight = decay, 0.0, 0.0

    @property
    def value(self) -> float:
        """The average; 0 before the first batch."""
        return self.total / self.weight if self.weight else 0.0

    def advantages(self, rewards: torch.Tensor) -> torch.Tensor:
        """`rewards` (N,) less the average, which they are now part of."""
        self.total = self.decay * self.total + (1 - self.decay) * float(rewards.mean())
        self.weight = self.decay * self.weight + 1 - self.decay
        return rewards - self.value

    def state_dict(self) -> dict[str, float]:
        """The sum and its weight."""
        return {"total": self.total, "weight": self.weight}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Resume from `state`."""
        self.total, self.weight = state["total"], state["weight"]
