"""What an architecture step looks at: a batch of images through the supernet, and predicted latency."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch

from ..nn.gates import Gate, one_hot
from ..nn.supernet import Supernet
from ..space.space import Arch
from .objective import Loss, Reward
from .stopwatch import Stopwatch
from .weights import Batch, SharedWeights


class Latency(Protocol):
    """What architectures cost on the device."""

    def cost(self, archs: Sequence[Arch]) -> np.ndarray:
        """Latency in ms of each of `archs`, shape (N,)."""
        ...

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Expected latency in ms under `probs`, shape (slots, widest slot); differentiable."""
        ...


class SupernetStep:
    """The `base.Held` of one architecture step: `batch` is its images, `training` gives the next ones of the weights.

    All ranks see the same losses and accuracies, of the joined batch. What is returned is on the CPU, where learners
    are. `watch` counts the seconds that are not the learner's own: forward passes, latencies, and of each backward
    pass through the supernet the part before the gradients of the gates. `last` is the last loss.
    """

    def __init__(
        self,
        shared: SharedWeights,
        objective: Loss | Reward,
        cost: Latency,
        batch: Batch,
        training: Callable[[], Batch],
        part: float,
        rate: float,
    ) -> None:
        self.shared, self.objective, self.cost = shared, objective, cost
        self.batch, self.training, self.part, self.rate = batch, training, part, rate
        self.watch, self.last = Stopwatch(shared.device), 0.0

    @property
    def supernet(self) -> Supernet:
        """The shared weights."""
        return self.shared.supernet

    def loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The criterion of the shared weights, cross-entropy, on the step's images."""
        return self._loss(lambda: self.batch, gates)

    def training_loss(self, gates: Sequence[Gate]) -> torch.Tensor:
        """The same on the training images of the next step of the weights."""
        return self._loss(self.training, gates)

    def _loss(self, batch: Callable[[], Batch], gates: Sequence[Gate]) -> torch.Tensor:
        with self.watch.running():
            loss = self.shared.loss(batch(), gates).cpu()
            self.last = float(loss.detach())
        if loss.requires_grad:
            loss.register_hook(lambda _: self.watch.start())
            for gate in gates:
                if gate.weights is not None and gate.weights.requires_grad:
                    gate.weights.register_hook(lambda _: self.watch.stop())
        return loss

    def joined(self, loss: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
        """`loss` and the expected latency under `probs`, joined by the objective."""
        with self.watch.running():
            return self.objective.loss(loss, self.cost.expected(probs))

    @torch.no_grad()
    def reward(self, arch: Arch) -> float:
        """The objective of the accuracy of `arch`, with BatchNorm statistics of the batch, and of its latency."""
        images, labels = self.batch
        with self.watch.running():
            right = self.shared.logits(images, one_hot(arch)).argmax(1) == labels
            accuracy = float(self.shared.ranks.averaged(right.double().mean()))
            (ms,) = self.cost.cost([arch])
            return self.objective(accuracy, float(ms))
