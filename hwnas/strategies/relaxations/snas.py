"""SNAS (Xie et al. 2018, arXiv 1812.09926): concrete samples, and one level of optimisation."""

from ...errors import InputError
from ...space.space import SearchSpace
from ..limit import Limit
from .concrete import Concrete
from .softmax import rate

LR, STEPS = 3e-4, 117_300
"""The rate and steps of the authors' code: 150 epochs of CIFAR-10 in batches of 64."""


class Snas(Concrete):
    """Weights and architecture parameters learn in the same step, from the same loss on training images (§2.2).

    The temperature falls linearly from `temperature_start` to `temperature_end`: the paper gives neither, the authors'
    code 1 and 0.03. Its Adam has betas 0.5 and 0.999, weight decay 1e-3, and a rate of 3e-4 for 117,300 steps; `lr` is
    that by default, or in fewer steps one with which Adam goes as far. The expected latency is that of the sample.
    Raises `InputError` for a constant out of range.
    """

    single_level = True

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        temperature_start: float = 1.0,
        temperature_end: float = 0.03,
        lr: float = 0.0,
        weight_decay: float = 1e-3,
        init_std: float = 0.01,
    ) -> None:
        if not temperature_start >= temperature_end > 0:
            raise InputError("temperature_end must be over 0, and temperature_start at least that")
        lr, betas = rate(lr, LR, STEPS, budget), (0.5, 0.999)
        super().__init__(space, limit, seed=seed, lr=lr, betas=betas, init_std=init_std, weight_decay=weight_decay)
        self.start, self.end = temperature_start, temperature_end

    def temperature(self, part: float) -> float:
        """From the first to the last in a straight line."""
        return self.start + part * (self.end - self.start)
