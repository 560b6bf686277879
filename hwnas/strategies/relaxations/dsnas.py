"""DSNAS (Hu et al. 2020, arXiv 2002.09128): one path, and one level of optimisation."""

from typing import ClassVar

from pydantic import Field

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .softmax import Softmax, SoftmaxConstants, scaled_rate

LR, STEPS = 1e-3, 300_000
"""The rate and steps of the authors' code: 240 epochs of ImageNet in batches of 1024."""


class DsnasConstants(SoftmaxConstants):
    """Constants of the authors' code; the deviation of the first α is ours."""

    init_std: float = Field(default=0.01, ge=0, description="standard deviation of the first α; ours")


class Dsnas(Softmax):
    """One candidate of each slot runs, sampled by p, and weights and α learn from the same loss on training images.

    The gradient is what SNAS's becomes as its temperature goes to 0: E[c·∇_α log p(Z)], where Z is the candidate
    sampled and its cost c = ⟨∂L/∂y, o_Z(x)⟩, the derivative of the loss by a factor 1 on its output. Where a
    normalisation follows and no shortcut goes past it, as at the end of a stage, no such factor matters: c is 0, and α
    moves by latency alone.

    The authors' Adam has betas 0.5 and 0.999, no weight decay, and a rate of 1e-3 for some 300,000 steps. Their early
    stopping of slots that are decided, which only saves time, is left out.
    """

    single_level = True
    constants: ClassVar[type[Constants]] = DsnasConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: DsnasConstants, *, seed: int, budget: int) -> None:
        lr = scaled_rate(constants.lr, LR, STEPS, budget)
        super().__init__(space, limit, constants, seed=seed, lr=lr, betas=(0.5, 0.999))

    def gates(self) -> tuple[Gate, ...]:
        """The sampled candidates; each has weight 1, of which the derivative by α is that of log p."""
        sampled = self.sample()[self.open]
        self.gate_probs = self.logits().softmax(1)
        logs = self.logits()[self.open].log_softmax(1).gather(1, sampled[:, None])
        weights = (1 + (logs - logs.detach())).unbind()
        return self.fill_slots(Gate((index,), weight) for index, weight in zip(sampled.tolist(), weights, strict=True))
