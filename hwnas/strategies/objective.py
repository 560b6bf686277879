"""What an architecture is worth: accuracy and latency joined into one loss."""

from dataclasses import asdict, dataclass

import torch


@dataclass
class SteeredLatency:
    """λ·(E − T)/T, with a λ that is steered so that the expected latency E ends at the target T.

    The form is ProxylessNAS's (1812.00332, eq. 7, with E relative to T); there λ is tuned by hand for every budget.
    Here λ is the multiplier of the constraint E = T, found while searching by a proportional-integral controller on
    the relative error, the usual form of the modified differential method of multipliers (Platt & Barr 1988; its
    proportional term is what damps the oscillation of plain dual ascent). An equality has a multiplier of either
    sign: where accuracy alone would choose too fast a network, as on a short search it can, λ turns negative.
    """

    target_ms: float
    proportional: float = 10.0
    integral: float = 0.2
    accumulated: float = 0.0
    error: float = 0.0

    @property
    def multiplier(self) -> float:
        """λ, from the error of the last `steer` and all before it."""
        return self.proportional * self.error + self.integral * self.accumulated

    def loss(self, expected_ms: torch.Tensor) -> torch.Tensor:
        """The term to add to the cross-entropy; `expected_ms` is of the probabilities behind this step's gates."""
        return self.multiplier * (expected_ms / self.target_ms - 1)

    def steer(self, expected_ms: float) -> None:
        """Move λ by the expected latency under the present probabilities of all candidates."""
        self.error = expected_ms / self.target_ms - 1
        self.accumulated += self.error

    def state_dict(self) -> dict[str, float]:
        """All fields, as JSON scalars."""
        return asdict(self)

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from `state`."""
        vars(self).update(state)
