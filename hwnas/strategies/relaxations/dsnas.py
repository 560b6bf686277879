"""DSNAS (Hu et al. 2020, arXiv 2002.09128): one path, and one level of optimisation."""

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..limit import Limit
from .softmax import Softmax, rate

LR, STEPS = 1e-3, 300_000
"""The rate and steps of the authors' code: 240 epochs of ImageNet in batches of 1024."""


class Dsnas(Softmax):
    """One candidate of each slot runs, drawn by p, and weights and α learn from the same loss on training images.

    The gradient is what SNAS's becomes as its temperature goes to 0: E[c·∇_α log p(Z)], where Z is the candidate
    drawn and its cost c = ⟨∂L/∂y, o_Z(x)⟩, the derivative of the loss by a factor 1 on its output. Where a
    normalisation follows and no shortcut goes past it, as at the end of a stage, no such factor matters: c is 0, and α
    moves by latency alone.

    The authors' Adam has betas 0.5 and 0.999, no weight decay, and a rate of 1e-3 for some 300,000 steps; `lr` is that
    by default, or in fewer steps one with which Adam goes as far. Their early stopping of slots that are decided, which
    only saves time, is left out. Raises `InputError` for a constant out of range.
    """

    single_level = True

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        lr: float = 0.0,
        weight_decay: float = 0.0,
        init_std: float = 0.01,
    ) -> None:
        lr, betas = rate(lr, LR, STEPS, budget), (0.5, 0.999)
        super().__init__(space, limit, seed=seed, lr=lr, betas=betas, init_std=init_std, weight_decay=weight_decay)

    def gates(self) -> tuple[Gate, ...]:
        """The drawn candidates; each has weight 1, of which the derivative by α is that of log p."""
        drawn = self.draw()[self.open]
        self.behind = self.logits().softmax(1)
        logs = self.logits()[self.open].log_softmax(1).gather(1, drawn[:, None])
        weights = (1 + (logs - logs.detach())).unbind()
        return self.placed(Gate((index,), weight) for index, weight in zip(drawn.tolist(), weights, strict=True))
