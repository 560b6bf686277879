"""DARTS (Liu et al. 2018, arXiv 1806.09055): the output of a slot is the sum of all candidates, weighted by softmax."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from pydantic import Field

from ...nn.gates import Gate
from ...space.space import Arch, SearchSpace
from ..base import ArchitectureStep, TrainingPaths
from ..constants import Constants
from ..limit import Limit
from .softmax import Softmax, SoftmaxConstants, scaled_rate

LR, STEPS = 3e-4, 19_550
"""The published rate and steps: 50 epochs of half of CIFAR-10 in batches of 64."""
SHIFT = 0.01
"""The length of the step of the finite difference."""


class DartsConstants(SoftmaxConstants):
    """Constants of the paper (1806.09055, §3 and appendix)."""

    order: int = Field(
        default=1, ge=1, le=2, description="1: the first order; 2: through one step of the weights, §2.3"
    )
    weight_decay: float = Field(default=1e-3, ge=0, description="Adam's weight decay of α; appendix A.1")


class Darts(Softmax):
    """Weights and architecture parameters learn from the same mixed network, on training and validation images in turn.

    `order` 1 takes the gradient of the validation loss at the present weights w. `order` 2 takes it through a step of
    them (§2.3): with w′ = w − ξ·∇_w L_train(w, α), it is

        ∇_α L_val(w′, α) − ξ·(∇_α L_train(w⁺, α) − ∇_α L_train(w⁻, α)) / 2ε

    where w± = w ± ε·∇_{w′} L_val(w′, α) and ε = 0.01 / ‖∇_{w′} L_val‖. ξ is the rate of the shared weights. The step is
    plain, as in eq. 7; the authors' code gives it the momentum and decay of the weights' own. It takes four times as
    long, and one process: gradients of the weights are not averaged here.

    Published is a rate of 3e-4 for 19,550 architecture steps.
    """

    constants: ClassVar[type[Constants]] = DartsConstants

    def __init__(self, space: SearchSpace, limit: Limit, constants: DartsConstants, *, seed: int, budget: int) -> None:
        lr = scaled_rate(constants.lr, LR, STEPS, budget)
        super().__init__(space, limit, constants, seed=seed, lr=lr, betas=(0.5, 0.999))
        self.order, self.single_process = constants.order, constants.order == 2

    def training_paths(self, progress: float) -> TrainingPaths:
        """The mixed network, whose weights alone learn."""
        self.sample()
        return TrainingPaths((self.mixed_gates(self.distribution()),))

    def gates(self) -> tuple[Gate, ...]:
        """All candidates, weighted by p."""
        self.sample()
        return self._same_gates()

    def _same_gates(self) -> tuple[Gate, ...]:
        """The same gates, with a graph of their own."""
        self.gate_probs = self.logits().softmax(1)
        return self.mixed_gates(self.gate_probs)

    def learn(self, step: ArchitectureStep) -> list[tuple[Arch, float]]:
        """One architecture step, after which the shared weights are to the bit as they were."""
        if self.order == 1:
            return super().learn(step)
        weights = [weight for weight in step.supernet.parameters() if weight.requires_grad]
        kept = [weight.detach().clone() for weight in weights]
        try:
            self.alpha.grad, loss = self.unrolled_gradient(step, weights, kept)
        finally:
            _move(weights, kept)
        self.optimizer.step()
        return [(self.most_probable(), -loss)]

    def unrolled_gradient(
        self, step: ArchitectureStep, weights: Sequence[torch.Tensor], kept: Sequence[torch.Tensor]
    ) -> tuple[torch.Tensor, float]:
        """The gradient of `order` 2, shaped like α, for shared `weights` that are at `kept`, and the validation loss at
        w′. It moves them."""
        loss = step.training_loss(self.gates())
        _move(weights, kept, _gradients(loss, weights), -step.learning_rate)
        beyond = step.loss(self._same_gates())
        loss = step.with_latency(self.with_policy_gradient(beyond), self.gate_probs)
        direct, *uphill = _gradients(loss, [self.alpha, *weights])
        length = float(torch.stack([gradient.norm() for gradient in uphill]).norm())
        if length == 0:
            return direct, float(beyond.detach())
        epsilon = SHIFT / length
        found: list[torch.Tensor] = []
        for sign in (1, -1):
            _move(weights, kept, uphill, sign * epsilon)
            found += _gradients(step.training_loss(self._same_gates()), [self.alpha])
        return direct - step.learning_rate * (found[0] - found[1]) / (2 * epsilon), float(beyond.detach())


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
