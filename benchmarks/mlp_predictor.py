"""A neural predictor to compare with: an MLP on encoded probabilities, one-hot for one architecture.

It needs hundreds of measured networks where `LatencyPredictor` needs tens, see `benchmarks/latency_predictor.py`.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn.functional import mse_loss

from hwnas.space.space import Arch, SearchSpace

WIDTH = 400
"""Of its three hidden layers, as the accuracy predictor of OFA has (1908.09791, §3.4)."""

STEPS, BATCH = 1500, 32


class MlpPredictor:
    """Latency in ms as a smooth function of probabilities (slots, widest slot), fitted to measured networks."""

    def __init__(
        self, space: SearchSpace, archs: Sequence[Arch] | np.ndarray, ms: Sequence[float] | np.ndarray, seed: int = 0
    ) -> None:
        """Fit to measured `ms` (N,) of `archs` (N, slots); the same seed gives the same predictor."""
        self.space = space
        generator = torch.Generator().manual_seed(seed)
        labels = torch.as_tensor(np.asarray(ms), dtype=torch.float32)
        self._mean, self._deviation = labels.mean(), labels.std().clamp_min(1e-6)
        encoded = self._encode(archs)
        self._net = _layers(encoded.shape[1], generator)
        self._train(encoded, (labels - self._mean) / self._deviation, generator)

    def _encode(self, archs: Sequence[Arch] | np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.stack([self.space.encode(tuple(arch)) for arch in np.asarray(archs)])).flatten(1)

    def _train(self, encoded: torch.Tensor, target: torch.Tensor, generator: torch.Generator) -> None:
        optimiser = torch.optim.AdamW(self._net.parameters(), 1e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
        for _ in range(STEPS):
            rows = torch.randint(len(encoded), (BATCH,), generator=generator)
            optimiser.zero_grad()
            torch.autograd.backward(mse_loss(self._net(encoded[rows]).squeeze(1), target[rows]))
            optimiser.step()
            schedule.step()

    def cost(self, archs: Sequence[Arch] | np.ndarray) -> np.ndarray:
        """Predicted ms of each of `archs`, shape (N, slots) to (N,)."""
        with torch.no_grad():
            ms: torch.Tensor = self._net(self._encode(archs)).squeeze(1) * self._deviation + self._mean
            found: np.ndarray = ms.double().numpy()
            return found

    def expected(self, probs: torch.Tensor) -> torch.Tensor:
        """Predicted ms at probabilities (slots, widest slot), differentiable: not the mean over networks drawn from
        them, which an MLP cannot give."""
        ms: torch.Tensor = self._net(probs.float().flatten()).squeeze() * self._deviation + self._mean
        return ms


def _layers(inputs: int, generator: torch.Generator) -> nn.Sequential:
    widths = (inputs, WIDTH, WIDTH, WIDTH, 1)
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layer = nn.Linear(before, after)
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
