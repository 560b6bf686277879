"""One architecture step: a batch of images through the supernet, and predicted latency."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch

from ..nn.gates import Gate, one_hot
from ..nn.supernet import Supernet
from ..space.space import Arch
from .objectives import Loss, Reward
from .weights import Batch, SharedWeights


class Latency(Protocol):
    """What architectures cost on the device."""

    def cost(self, archs: Sequence[Arch]) -> np.ndarray:
        """Latency in ms of each of `archs`, shape (N,)."""
        ...

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Expected latency in ms under `probs`, shape (slots, widest slot); differentiable."""
        ...


class Stopwatch:
    """`seconds` are all that passed in `running` bodies, and after each `start` until the last `stop` that follows it.

    On a GPU every look at the time waits for the work that was given to it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, 0.0

    def start(self) -> None:
        """Count from now on."""
        self._since = self._now()

    def stop(self) -> None:
        """Count up to now."""
        before, self._since = self._since, self._now()
        self.seconds += self._since - before

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count while the body runs."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()


class SupernetStep:
    """The `ArchitectureStep` of a supernet: `batch` is its images, `training` gives the next ones of the weights.

    All ranks see the same losses and accuracies, of the batch of all ranks. What is returned is on the CPU, where
    learners are. `watch` counts the seconds that are not the learner's own: forward passes, latencies, and of each
    backward pass through the supernet the part before the gradients of the gates. `last` is the last loss.
    """

    def __init__(
        self,
        shared: SharedWeights,
        objective: Loss | Reward,
        cost: Latency,
        target_ms: float,
        batch: Batch,
        training: Callable[[], Batch],
        progress: float,
        learning_rate: float,
    ) -> None:
        self.shared, self.objective, self.cost, self.target_ms = shared, objective, cost, target_ms
        self.batch, self.training, self.progress, self.learning_rate = batch, training, progress, learning_rate
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
            loss.register_hook(lambda _: self.watch.start())  # type: ignore[no-untyped-call]
            for gate in gates:
                if gate.weights is not None and gate.weights.requires_grad:
                    gate.weights.register_hook(lambda _: self.watch.stop())  # type: ignore[no-untyped-call]
        return loss

    def with_latency(self, loss: torch.Tensor, probs: torch.Tensor) -> torch.Tensor:
        """The objective, a `Loss`, of `loss` and the expected latency under `probs`."""
        assert isinstance(self.objective, Loss)
        with self.watch.running():
            return self.objective.loss(loss, self.cost.expected(probs), self.target_ms)

    @torch.no_grad()
    def reward(self, arch: Arch) -> float:
        """The `Reward` of the accuracy of `arch`, with BatchNorm statistics of the batch, and of its latency."""
        assert isinstance(self.objective, Reward)
        images, labels = self.batch
        with self.watch.running():
            right = self.shared.logits(images, one_hot(arch)).argmax(1) == labels
            accuracy = float(self.shared.ranks.averaged(right.double().mean()))
            (ms,) = self.cost.cost([arch])
            return self.objective(accuracy, float(ms), self.target_ms)
