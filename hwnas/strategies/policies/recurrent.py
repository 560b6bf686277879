"""The base of policies with an LSTM controller: REINFORCE without torch's graph."""

import numpy as np
import torch

from .base import Policy
from .controller import Controller, Look


class RecurrentPolicy(Policy):
    """A `Policy` whose model is a `Controller`: with the derivative of the loss by every log p written out, and the
    controller's own gradient, only the steps are torch's."""

    model: Controller

    def improve(self, archs: torch.Tensor, advantages: torch.Tensor) -> None:
        """One step of Adam against the mean of −log p(arch) · advantage."""
        look = self.model.look(archs)
        by_log = np.zeros_like(look.logs)
        by_log[look.taken] = -advantages.numpy() / len(archs)
        self.follow(look, by_log)

    def follow(self, look: Look, by_log: np.ndarray) -> None:
        """One step of Adam against ∂loss/∂log p, `by_log` (slots, N, widest slot)."""
        for parameter, gradient in zip(self.model.weights, self.model.gradients(look, by_log), strict=True):
            parameter.grad = gradient
        self.optimizer.step()
