"""TuNAS (Bender et al. 2020, arXiv 2008.06120)."""

import torch

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..base import TrainingPaths
from ..limit import Limit
from ..ranges import positive, shares
from .base import Policy
from .factorised import Factorised
from .pace import Pace, Stand

PACE = Pace(lr=4.8e-3, updates=27_000, batch=8, most=0.05)
"""90 epochs of ImageNet in batches of 4096, for which the authors' code has 16 times its rate of 3e-4."""


class TuNas(Policy):
    """One logit an option, 0 at first, moved by REINFORCE with Adam, betas (0, 0.999), and a baseline with decay 0.95.

    On shared weights the policy does not move in the first `delay` of the search, and after that the rate grows
    exponentially to `growth` times what it was (the authors' code); in the first `warmup` of the weights' steps,
    options are averaged and widths are the largest (`lesson`). Told scores are of weights that need no such start:
    there the policy moves, and its rate grows, from the first.

    The batch is what there are cores, each with an architecture of its own; 8 is ours. `lr` and `batch` 0 are these,
    scaled with the budget (`Pace`). The published reward is `objective.tunas`.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        lr: float = 0.0,
        batch: int = 0,
        decay: float = 0.95,
        growth: float = 10.0,
        delay: float = 0.25,
        warmup: float = 0.25,
    ) -> None:
        shares(delay=delay, warmup=warmup)
        positive(growth=growth)
        self.growth, self.delay, self.warmup = growth, delay, warmup
        super().__init__(
            space,
            limit,
            seed=seed,
            budget=budget,
            model=Factorised,
            pace=PACE,
            lr=lr,
            batch=batch,
            decay=decay,
            betas=(0.0, 0.999),
        )

    def training_paths(self, part: float) -> TrainingPaths:
        """One architecture drawn from the policy; in the first `warmup` of the steps, with a probability that falls
        from 1 to 0, each slot for itself is warmed up instead.

        Where the outputs of a slot's options can be added up, all run, and their mean goes on (op warm-up). Where they
        cannot, as they change shapes, it has the option of the largest architecture (filter warm-up).
        """
        arch = self.ask()
        warm = torch.rand(len(arch), generator=self.generator) < self.warming(part)
        gates = zip(warm.tolist(), self.space.mixable, self.space.choices, arch, self.space.largest, strict=True)
        return TrainingPaths((tuple(_gate(*slot) for slot in gates),))

    def warming(self, part: float) -> float:
        """Probability that a slot is warmed up where `part` of the steps is over."""
        return max(0.0, 1 - part / self.warmup) if self.warmup else 0.0

    def rate(self, stand: Stand) -> float:
        """The exponential schedule; 0 in the delay."""
        late = stand.part
        if stand.shared:
            if stand.part < self.delay:
                return 0.0
            late = (stand.part - self.delay) / (1 - self.delay)
        return super().rate(stand) * self.growth**late


def _gate(warm: bool, mixable: bool, count: int, index: int, largest: int) -> Gate:
    if not warm:
        return Gate((index,))
    if not mixable:
        return Gate((largest,))
    return Gate(tuple(range(count)), torch.full((count,), 1 / count), "weighted")
