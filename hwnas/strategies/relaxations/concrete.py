"""Slots as samples of a concrete distribution, or Gumbel softmax (Maddison et al. 2016; Jang et al. 2016)."""

import torch

from ...nn.gates import Gate
from ...space.space import Arch
from ..base import ArchitectureStep, State, TrainingPaths
from .softmax import Softmax


class Concrete(Softmax):
    """The weights of a slot are softmax((log p + G) / τ), with new Gumbel noise G in each step and a falling τ.

    A large τ makes them nearly equal, whatever p; with a small one they are nearly one-hot, drawn by p. A subclass says
    what τ is when `progress` of the steps after the warm-up is over.
    """

    progress = 0.0

    def temperature(self, progress: float) -> float:
        """τ when `progress` (0 to 1) is over."""
        raise NotImplementedError

    def training_paths(self, progress: float) -> TrainingPaths:
        """The network mixed by a sample; during the warm-up at the first temperature. The weights alone learn."""
        return TrainingPaths((self.mixed_gates(self._concrete_sample().detach()),))

    def gates(self) -> tuple[Gate, ...]:
        """All candidates, weighted by a new sample, which is differentiable in α."""
        self.gate_probs = self._concrete_sample()
        return self.mixed_gates(self.gate_probs)

    def _concrete_sample(self) -> torch.Tensor:
        """A concrete sample of the open slots, and p of the others, (slots, widest slot)."""
        self.sample()
        logits = self.logits()
        sampled = ((logits + self.gumbel(logits.detach())) / self.temperature(self.progress)).softmax(1)
        return sampled.index_copy(0, self.closed, logits[self.closed].softmax(1))

    def learn(self, step: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step, at the temperature of now."""
        self.progress = step.progress
        return super().learn(step)

    def state_dict(self) -> State:
        """What all relaxations keep, and the progress of the last step."""
        return {**super().state_dict(), "progress": self.progress}

    def load_state_dict(self, state: State) -> None:
        """Resume from `state`."""
        super().load_state_dict(state)
        self.progress = state["progress"] if "progress" in state else state["part"]  # its name in older files
