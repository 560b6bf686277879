"""DARTS (Liu et al. 2018, arXiv 1806.09055): the output of a slot is the sum of all candidates, weighted by softmax."""

from collections.abc import Sequence

import torch

from ...errors import InputError
from ...nn.gates import Gate
from ...space.space import Arch, SearchSpace
from ..base import ArchitectureStep, TrainingPaths
from ..limit import Limit
from .softmax import Softmax, rate

LR, STEPS = 3e-4, 19_550
"""The published rate and steps: 50 epochs of half of CIFAR-10 in batches of 64."""
SHIFT = 0.01
"""The length of the step of the finite difference."""


class Darts(Softmax):
    """Weights and architecture parameters learn from the same mixed network, on training and held-out images in turn.

    `order` 1 takes the gradient of the held-out loss at the present weights w. `order` 2 takes it through a step of
    them (§2.3): with w′ = w − ξ·∇_w L_train(w, α), it is

        ∇_α L_val(w′, α) − ξ·(∇_α L_train(w⁺, α) − ∇_α L_train(w⁻, α)) / 2ε

    where w± = w ± ε·∇_{w′} L_val(w′, α) and ε = 0.01 / ‖∇_{w′} L_val‖. ξ is the rate of the shared weights. The step is
    plain, as in eq. 7; the authors' code gives it the momentum and decay of the weights' own. It takes four times as
    long, and one process: gradients of the weights are not averaged here.

    `lr` is published as 3e-4 for 19,550 architecture steps; by default it is that, or in fewer steps one with which
    Adam goes as far. Raises `InputError` for a constant out of range.
    """

    def __init__(
        self,
        space: SearchSpace,
        limit: Limit,
        *,
        seed: int,
        budget: int,
        order: int = 1,
        lr: float = 0.0,
        weight_decay: float = 1e-3,
        init_std: float = 1e-3,
    ) -> None:
        if order not in (1, 2):
            raise InputError(f"order must be 1 or 2, not {order}")
        lr, betas = rate(lr, LR, STEPS, budget), (0.5, 0.999)
        super().__init__(space, limit, seed=seed, lr=lr, betas=betas, init_std=init_std, weight_decay=weight_decay)
        self.order, self.single_process = order, order == 2

    def training_paths(self, part: float) -> TrainingPaths:
        """The mixed network, whose weights alone learn."""
        self.draw()
        return TrainingPaths((self.mixed(self.distribution()),))

    def gates(self) -> tuple[Gate, ...]:
        """All candidates, weighted by p."""
        self.draw()
        return self._again()

    def _again(self) -> tuple[Gate, ...]:
        """The same gates, with a graph of their own."""
        self.behind = self.logits().softmax(1)
        return self.mixed(self.behind)

    def learn(self, held: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step, after which the shared weights are to the bit as they were."""
        if self.order == 1:
            return super().learn(held)
        weights = [weight for weight in held.supernet.parameters() if weight.requires_grad]
        kept = [weight.detach().clone() for weight in weights]
        try:
            self.alpha.grad, loss = self.unrolled(held, weights, kept)
        finally:
            _move(weights, kept)
        self.optimizer.step()
        return [(self.likely(), -loss)]

    def unrolled(
        self, held: ArchitectureStep, weights: Sequence[torch.Tensor], kept: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, float]:
        """The gradient of `order` 2, shaped like α, for shared `weights` that are at `kept`, and the held-out loss at
        w′. It moves them."""
        loss = held.training_loss(self.gates())
        _move(weights, kept, _gradients(loss, weights), -held.rate)
        beyond = held.loss(self._again())
        loss = held.joined(self.credited(beyond), self.probs())
        direct, *uphill = _gradients(loss, [self.alpha, *weights])
        length = float(torch.stack([gradient.norm() for gradient in uphill]).norm())
        if length == 0:
            return direct, float(beyond.detach())
        epsilon, found = SHIFT / length, []
        for sign in (1, -1):
            _move(weights, kept, uphill, sign * epsilon)
            found += _gradients(held.training_loss(self._again()), [self.alpha])
        return direct - held.rate * (found[0] - found[1]) / (2 * epsilon), float(beyond.detach())


def _gradients(loss: torch.Tensor, of: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """∂loss/∂x for each of `of`; 0 where it did not run."""
    return torch.autograd.grad(loss, of, materialize_grads=True)


@torch.no_grad()
def _move(
    weights: Sequence[torch.Tensor],
    start: Sequence[torch.Tensor],
    direction: Sequence[torch.Tensor] | None = None,
    by: float = 0.0,
) -> None:
    """Set `weights` to `start`, or to `by` · `direction` from there."""
    for index, (weight, origin) in enumerate(zip(weights, start, strict=True)):
        weight.copy_(origin if direction is None else origin + by * direction[index])
