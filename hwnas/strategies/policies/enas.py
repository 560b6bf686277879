"""Efficient NAS (Pham et al. 2018, arXiv 1802.03268)."""

from functools import partial

import torch

from ...space.space import SearchSpace
from ..limit import Limit
from ..ranges import not_negative
from .base import Policy
from .controller import Controller
from .pace import Pace

PACE = Pace(lr=3.5e-4, updates=15_500, batch=20, most=0.01)
"""The paper's rate; 310 epochs of 50 updates of 20 architectures are those of the authors' code for the macro space."""


class Enas(Policy):
    """An LSTM of 100 units, weights from U(−0.1, 0.1), whose logits are 2.5·tanh(logits / 5); Adam at 3.5e-4 on the
    reward plus 1e-4 times the entropy of the sample (§2.3, §3.2). The baseline's decay, 0.99, is that of the code.

    Where paper and code differ these are the paper's: the code has 64 units, rates of 1e-3 (macro) and 3.5e-3 (micro),
    and tanh constants of 1.5 and 1.1. The penalty on skip connections is of its macro space, and none of the spaces
    here has them. That weights and policy learn in turn is the loop's doing. `lr` and `batch` 0 are the published ones,
    scaled with the budget (`Pace`).
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        layers: int = 1,
        units: int = 100,
        init: float = 0.1,
        temperature: float = 5.0,
        tanh: float = 2.5,
        entropy: float = 1e-4,
        lr: float = 0.0,
        batch: int = 0,
        decay: float = 0.99,
    ) -> None:
        not_negative(entropy=entropy)
        self.entropy = entropy
        model = partial(Controller, layers=layers, units=units, init=init, temperature=temperature, tanh=tanh)
        super().__init__(
            space, limit, seed=seed, budget=budget, model=model, pace=PACE, lr=lr, batch=batch, decay=decay
        )

    def worth(self, archs: torch.Tensor, rewards: torch.Tensor) -> torch.Tensor:
        """Reward plus `entropy` times that of the policy along each architecture, in nats."""
        with torch.no_grad():
            return rewards + self.entropy * self.entropies(archs).sum(1)
