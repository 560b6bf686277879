"""ProxylessNAS with binarised paths (Cai et al. 2018, arXiv 1812.00332, §3.2 and §3.3.1)."""

from typing import ClassVar, Literal

import torch
from pydantic import Field

from ...nn.gates import Gate
from ...space.space import SearchSpace
from ..constants import Constants
from ..limit import Limit
from .softmax import Softmax, SoftmaxConstants, scaled_rate

LR, STEPS = 1e-3, 120_000
"""The published rate, and the steps of the architecture: 120 epochs of ImageNet in batches of 256, every fifth step."""


class ProxylessConstants(SoftmaxConstants):
    """Constants of the authors' code."""

    paths: Literal["two", "all"] = Field(
        default="two",
        description="candidates of a slot that run: two sampled ones (§3.2), or all, one at a time",
    )


class ProxylessGradient(Softmax):
    """Several candidates of each slot run, one of them forward, and α follows what the others would have changed.

    With g_j = ∂L/∂(gate j) and p̂ the softmax over the candidates that run, ∂L/∂α_i = Σ_j g_j p̂_j (δ_ij − p̂_i); the
    one that runs forward is sampled by p̂. With `paths` "two", two candidates of each slot are sampled without
    replacement by their probability; after the update both α are shifted so that the probability of every other
    candidate stays as it was. With "all", every candidate runs: one forward, and the others in the backward pass only,
    one at a time.

    Published is a rate of 1e-3 for 120,000 architecture steps.
    """

    constants: ClassVar[type[Constants]] = ProxylessConstants

    def __init__(
        self, space: SearchSpace, limit: Limit, constants: ProxylessConstants, *, seed: int, budget: int
    ) -> None:
        lr = scaled_rate(constants.lr, LR, STEPS, budget)
        # Without momentum a candidate that was not sampled, whose gradient is 0, does not move.
        super().__init__(space, limit, constants, seed=seed, lr=lr, betas=(0.0, 0.999))
        self.paths = constants.paths

    def gates(self) -> tuple[Gate, ...]:
        """The candidates that run, the active one first; their weights carry the gradient of the published rule."""
        self.sample()
        logits = self.logits()[self.open]
        order, sizes = self._pairs(logits.detach()) if self.paths == "two" else self._all()
        hat = logits.gather(1, order).softmax(1)
        self.order = order
        self.gate_probs = (
            self.logits().softmax(1).index_copy(0, self.open, torch.zeros_like(logits).scatter(1, order, hat))
        )
        # One-hot in value and p̂ to autograd: the softmax's own derivative is then the rule's p̂_j (δ_ij − p̂_i).
        binary = (torch.arange(order.shape[1]) == 0) + (hat - hat.detach())
        rows = binary[torch.arange(order.shape[1]) < sizes[:, None]].split(sizes.tolist())  # type: ignore[no-untyped-call]
        recompute = self.paths == "all"
        return self.fill_slots(
            Gate(tuple(indices[: len(row)]), row, "binary", recompute)
            for indices, row in zip(order.tolist(), rows, strict=True)
        )

    def _pairs(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Two candidates of each open slot, (open, 2), the active one first, and how many they are."""
        # The two largest of α + Gumbel noise are a sample without replacement by p, also where it saturates.
        sampled = (logits + self.gumbel(logits)).topk(2, dim=1).indices
        first = logits.gather(1, sampled).softmax(1)[:, 0]
        swap = torch.rand(len(sampled), generator=self.generator) >= first
        return torch.where(swap[:, None], sampled.flip(1), sampled), torch.full((len(sampled),), 2)

    def _all(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All candidates of each open slot, (open, widest slot), the sampled one first and absent ones last, and how
        many they are."""
        place = torch.arange(self.present.shape[1]).where(self.present[self.open], len(self.present[0]))
        place = place.scatter(1, self.sampled[self.open, None], -1)
        return place.argsort(1), self.choices[self.open]

    def descend(self, loss: torch.Tensor) -> None:
        """One Adam update of the α of what ran, and of slots that are not open."""
        before = self.alpha.detach()[self.open].gather(1, self.order)
        super().descend(loss)
        if self.paths == "two":
            with torch.no_grad():
                after = self.alpha[self.open].gather(1, self.order)
                shift = after.logsumexp(1, keepdim=True) - before.logsumexp(1, keepdim=True)
                self.alpha[self.open[:, None], self.order] = after - shift
