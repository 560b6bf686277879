"""ProxylessNAS by REINFORCE (Cai et al. 2018, arXiv 1812.00332, §3.3.2)."""

from functools import partial

from ...space.space import SearchSpace
from ..limit import Limit
from ..ranges import not_negative
from .base import Policy
from .factorised import Factorised
from .pace import Pace

PACE = Pace(lr=1e-3, updates=36_000, batch=10, most=0.2)
"""120 epochs of 300 updates of 10 architectures (the authors' code)."""


class ProxylessReinforce(Policy):
    """One parameter an option, drawn from N(0, 1e-3²), moved by REINFORCE with Adam at 1e-3, betas (0, 0.999), on
    batches of 10 (the authors' code). There the baseline moves by 0.99 of the way to the mean of the batch, which is a
    `decay` of 0.01: it is nearly that mean.

    `lr` and `batch` 0 are the published ones, scaled with the budget (`Pace`). The published reward is
    `objective.proxyless_r`.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        init_std: float = 1e-3,
        lr: float = 0.0,
        batch: int = 0,
        decay: float = 0.01,
    ) -> None:
        not_negative(init_std=init_std)
        super().__init__(
            space,
            limit,
            seed=seed,
            budget=budget,
            model=partial(Factorised, spread=init_std),
            pace=PACE,
            lr=lr,
            batch=batch,
            decay=decay,
            betas=(0.0, 0.999),
        )
