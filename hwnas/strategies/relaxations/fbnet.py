"""FBNet (Wu et al. 2018, arXiv 1812.03443, §3.3): Gumbel softmax, weights and architecture parameters in turn."""

from math import exp

from ...errors import InputError
from ...space.space import SearchSpace
from ..limit import Limit
from .concrete import Concrete
from .softmax import rate

LR, STEPS = 0.01, 10_700
"""The published rate, and the steps: 80 epochs of a fifth of 100 classes of ImageNet in batches of 192."""
EPOCHS = 90


class FBNet(Concrete):
    """Samples weigh the candidates in steps of the weights, on training images, and of α, on held-out ones, alike.

    The temperature is `temperature_start`·e^(−`decay`·epoch), with the published 5 and 0.045, where all steps after the
    warm-up are the 90 published epochs. The expected latency is that of the sample. The published Adam has weight
    decay 5e-4 and a rate of 0.01 for some 10,700 steps; `lr` is that by default, or in fewer steps one with which Adam
    goes as far. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        temperature_start: float = 5.0,
        decay: float = 0.045,
        lr: float = 0.0,
        weight_decay: float = 5e-4,
        init_std: float = 1e-3,
    ) -> None:
        if not (temperature_start > 0 and 0 <= decay <= 1):
            raise InputError("temperature_start must be over 0, and decay 0 to 1")
        lr, betas = rate(lr, LR, STEPS, budget), (0.9, 0.999)
        super().__init__(space, limit, seed=seed, lr=lr, betas=betas, init_std=init_std, weight_decay=weight_decay)
        self.start, self.decay = temperature_start, decay

    def temperature(self, part: float) -> float:
        """It falls by the same factor in every epoch."""
        return self.start * exp(-self.decay * EPOCHS * part)
