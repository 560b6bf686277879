"""Slots as samples of a concrete distribution, or Gumbel softmax (Maddison et al. 2016; Jang et al. 2016)."""

import torch

from ...nn.gates import Gate
from ...space.space import Arch
from ..base import ArchitectureStep, State, TrainingPaths
from .softmax import Softmax


class Concrete(Softmax):
    """The weights of a slot are softmax((log p + G) / τ), with new Gumbel noise G in each step and a falling τ.

    A large τ makes them nearly equal, whatever p; with a small one they are nearly one-hot, drawn by p. A subclass says
    what τ is when `part` of the steps after the warm-up is over.
    """

    part = 0.0

    def temperature(self, part: float) -> float:
        """τ when `part` (0 to 1) is over."""
        raise NotImplementedError

    def training_paths(self, part: float) -> TrainingPaths:
        """The network mixed by a sample; during the warm-up at the first temperature. The weights alone learn."""
        return TrainingPaths((self.mixed(self._sample().detach()),))

    def gates(self) -> tuple[Gate, ...]:
        """All candidates, weighted by a new sample, which is differentiable in α."""
        self.behind = self._sample()
        return self.mixed(self.behind)

    def _sample(self) -> torch.Tensor:
        """A concrete sample of the open slots, and p of the others, (slots, widest slot)."""
        self.draw()
        logits = self.logits()
        sampled = ((logits + self.gumbel(logits.detach())) / self.temperature(self.part)).softmax(1)
        return sampled.index_copy(0, self.closed, logits[self.closed].softmax(1))

    def learn(self, held: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step, at the temperature of now."""
        self.part = held.part
        return super().learn(held)

    def state_dict(self) -> State:
        """What all relaxations keep, and how much was over at the last step."""
        return {**super().state_dict(), "part": self.part}

    def load_state_dict(self, state: State) -> None:
        """Go on from `state`."""
        super().load_state_dict(state)
        self.part = state["part"]
