"""NAS with reinforcement learning (Zoph & Le 2016, arXiv 1611.01578)."""

from functools import partial

from ...space.space import SearchSpace
from ..limit import Limit
from .base import Policy
from .controller import Controller
from .pace import Pace

PACE = Pace(lr=6e-4, updates=1600, batch=8, most=0.01)
"""12,800 networks, of which a replica of the controller sends the mean gradient of 8 (§4.1)."""


class NasRl(Policy):
    """A two-layer LSTM of 35 units, weights from U(−0.08, 0.08), trained by REINFORCE with Adam at 6e-4 (§4.1).

    The decay of the baseline is not published: 0.95 is that of the same authors' NASNet (1707.07012, appendix). The
    reward there is the cube of the best accuracy of the last epochs; here it is what is told. `lr` and `batch` 0 are
    the published ones, scaled with the budget (`Pace`).
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        layers: int = 2,
        units: int = 35,
        init: float = 0.08,
        lr: float = 0.0,
        batch: int = 0,
        decay: float = 0.95,
    ) -> None:
        model = partial(Controller, layers=layers, units=units, init=init)
        super().__init__(
            space, limit, seed=seed, budget=budget, model=model, pace=PACE, lr=lr, batch=batch, decay=decay
        )
