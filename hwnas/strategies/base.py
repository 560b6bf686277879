"""What a strategy is to the loops that run it."""

from typing import Any, Protocol

import torch

from ..nn.supernet import Gate
from ..space.space import Arch, SearchSpace


class Relaxation(Protocol):
    """A strategy that moves architecture parameters by the gradient of a loss through the gates.

    Probabilities have shape (slots, widest slot); a narrower slot is padded with zeros. All randomness is the
    strategy's own, so that its state is all that a checkpoint needs.
    """

    def __init__(self, space: SearchSpace, *, steps: int, lr: float | None, seed: int) -> None:
        """Ready for `steps` architecture steps; `lr` replaces the method's own learning rate."""

    def path(self) -> Arch:
        """An architecture drawn from the present probabilities, for a step of the shared weights."""
        ...

    def gates(self) -> tuple[Gate, ...]:
        """Fresh gates for one architecture step, one per slot."""
        ...

    def probs(self) -> torch.Tensor:
        """The probabilities that made the last `gates()`, differentiable in the architecture parameters."""
        ...

    def step(self, loss: torch.Tensor) -> None:
        """Update the architecture parameters by the gradient of `loss`, made with the last `gates()`."""
        ...

    def distribution(self) -> torch.Tensor:
        """The present probabilities of every candidate, detached."""
        ...

    def best(self) -> Arch:
        """The most probable architecture."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that the strategy must keep to go on exactly as it would have: tensors and JSON scalars."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        ...
