"""ProxylessNAS with binarised paths (Cai et al. 2018, arXiv 1812.00332, §3.2 and §3.3.1)."""

from typing import Any

import torch

from ..nn.supernet import Gate
from ..space.space import Arch, SearchSpace

TRAVEL = 120.0
"""How far Adam can move an architecture parameter in the published search: its rate times its steps."""


class ProxylessGradient:
    """Softmax over one real parameter per candidate, trained by the two-path gradient rule.

    An architecture step draws two candidates of each slot without replacement, by their probability; one of the two
    runs forward, drawn by p̂, the softmax over the two. With g_j = ∂L/∂(gate j), ∂L/∂α_i = Σ_j g_j p̂_j (δ_ij − p̂_i).
    After the update both α are shifted so that the probability of every other candidate stays as it was.

    The learning rate is published as 1e-3, for some 120,000 architecture steps. A search of minutes takes hundreds: by
    default `lr` is such that Adam, whose steps are at most about that long, can go as far in all of `steps`. All else
    is as published.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        steps: int = 120_000,
        lr: float | None = None,
        init_std: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        if min(space.choices) < 2:
            raise ValueError(f"a slot of {space.name} has one candidate: make it a fixed block")
        self.choices = torch.tensor(space.choices)
        width = int(self.choices.max())
        self.absent = torch.arange(width) >= self.choices[:, None]
        alpha = init_std * torch.randn(len(self.choices), width, generator=self.generator)
        self.alpha = alpha.masked_fill_(self.absent, -torch.inf).requires_grad_()
        # Without momentum a candidate that was not drawn, whose gradient is 0, does not move.
        self.optimizer = torch.optim.Adam([self.alpha], lr=lr or TRAVEL / steps, betas=(0.0, 0.999))

    def path(self) -> Arch:
        """One index per slot, drawn by the softmax of α."""
        return tuple(torch.multinomial(self.distribution(), 1, generator=self.generator)[:, 0].tolist())

    def gates(self) -> tuple[Gate, ...]:
        """Two candidates a slot, the first active; their weights carry the gradient of the published rule."""
        # The two largest of α + Gumbel noise are a draw without replacement by softmax(α), also where it saturates.
        noise = torch.empty_like(self.absent, dtype=torch.float32).exponential_(generator=self.generator).log()
        drawn = (self.alpha.detach() - noise).topk(2, dim=1).indices
        first = self.alpha.detach().gather(1, drawn).softmax(1)[:, 0]
        swap = torch.rand(len(drawn), generator=self.generator) >= first
        self.drawn = torch.where(swap[:, None], drawn.flip(1), drawn)
        self.pair_probs = self.alpha.gather(1, self.drawn).softmax(1)
        # One-hot in value and p̂ to autograd: the softmax's own derivative is then the rule's p̂_j (δ_ij − p̂_i).
        binary = torch.tensor([1.0, 0.0]) + (self.pair_probs - self.pair_probs.detach())
        return tuple(Gate(tuple(pair), row) for pair, row in zip(self.drawn.tolist(), binary.unbind(), strict=True))

    def probs(self) -> torch.Tensor:
        """p̂ of the two drawn candidates of each slot, 0 for the rest: the expected latency of §3.3.1 in this mode."""
        return torch.zeros_like(self.alpha).scatter(1, self.drawn, self.pair_probs)

    def step(self, loss: torch.Tensor) -> None:
        """One Adam update of the α that were drawn. No other gradient of `loss` is computed."""
        (self.alpha.grad,) = torch.autograd.grad(loss, self.alpha)
        before = self.alpha.detach().gather(1, self.drawn)
        self.optimizer.step()
        with torch.no_grad():
            after = self.alpha.gather(1, self.drawn)
            shift = after.logsumexp(1, keepdim=True) - before.logsumexp(1, keepdim=True)
            self.alpha.scatter_(1, self.drawn, after - shift)

    def distribution(self) -> torch.Tensor:
        """softmax(α), shape (slots, widest slot), detached."""
        return self.alpha.detach().softmax(1)

    def best(self) -> Arch:
        """The index of the largest α of each slot."""
        return tuple(self.alpha.argmax(1).tolist())

    def state_dict(self) -> dict[str, Any]:
        """α, Adam's state and the random state."""
        return {
            "alpha": self.alpha.detach(),
            "optimizer": self.optimizer.state_dict(),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        with torch.no_grad():
            self.alpha.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
