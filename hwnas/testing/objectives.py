"""Hold a reward or a loss to its contract.

class TestMine(RewardContract):
    reference = "my.py:Excess"
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, ClassVar

import torch

from ..strategies import objectives
from ..strategies.objectives import Loss, Reward
from .errors import refused


class RewardContract:
    """What every reward must do: `reference` says which, `values` which constants differ."""

    reference: str
    values: ClassVar[Mapping[str, Any]] = {}

    def build(self) -> Reward:
        """The reward."""
        return objectives.reward(self.reference, self.values)

    def test_it_is_a_number_that_grows_with_the_accuracy(self) -> None:
        """At latencies up to the target."""
        reward = self.build()
        for latency_ms in (0.5, 1.0, 2.0):
            values = [reward(accuracy, latency_ms, 2.0) for accuracy in (0.1, 0.5, 0.9)]
            assert all(isinstance(value, float) and isfinite(value) for value in values)
            assert values == sorted(set(values))

    def test_a_slower_network_is_never_better_above_the_target(self) -> None:
        """Of the same accuracy."""
        reward = self.build()
        values = [reward(0.5, latency_ms, 2.0) for latency_ms in (2.0, 2.5, 4.0, 20.0)]
        assert values == sorted(values, reverse=True)

    def test_what_says_that_latency_does_not_count_for_it_ignores_it(self) -> None:
        """Within the target: a sampler is then held to its limit, and scores need not be accuracies."""
        reward = self.build()
        if not reward.trades_latency:
            assert reward(0.5, 0.2, 2.0) == reward(0.5, 2.0, 2.0)

    def test_constants_and_targets_that_cannot_be_are_refused(self) -> None:
        """By their names."""
        _require_refusals(self.build())


class LossContract:
    """What every loss must do: `reference` says which, `values` which constants differ."""

    reference: str
    values: ClassVar[Mapping[str, Any]] = {}

    def build(self) -> Loss:
        """The loss at the start of a search."""
        return objectives.loss(self.reference, self.values)

    def test_it_is_a_finite_number_that_falls_with_the_cross_entropy(self) -> None:
        """Where the expected latency is below the target, at it and above it."""
        for expected_ms in (1.5, 2.0, 4.0):
            cross_entropy = torch.tensor(1.5, requires_grad=True)
            loss = self.build().loss(cross_entropy, torch.tensor(expected_ms, requires_grad=True), 2.0)
            (slope,) = torch.autograd.grad(loss, cross_entropy)
            assert loss.shape == () and bool(loss.isfinite())  # noqa: PT018 - pytest is not imported here
            assert float(slope) > 0

    def test_a_loss_that_is_saved_and_loaded_goes_on_as_it_would_have(self) -> None:
        """With all that it remembers."""
        one, other = self.build(), self.build()
        for expected_ms in (3.0, 2.5):
            one.update_multiplier(expected_ms, 2.0)
        other.load_state_dict(one.state_dict())
        for loss in (one, other):
            loss.update_multiplier(2.2, 2.0)
        found = [float(loss.loss(torch.tensor(1.5), torch.tensor(2.1), 2.0)) for loss in (one, other)]
        assert found[0] == found[1]

    def test_constants_and_targets_that_cannot_be_are_refused(self) -> None:
        """By their names."""
        _require_refusals(self.build())


def _require_refusals(objective: Reward | Loss) -> None:
    kind = type(objective)
    with refused("constants.unknown", name="no_such_constant"):
        kind.parse({"no_such_constant": 1})
    for name, field in kind.model_fields.items():
        assert field.description, f"say what {name} is, in Field(description=...)"
        with refused("constants.out-of-range", name=name, value="nonsense"):
            kind.parse({name: "nonsense"})
    if kind.uses_target:
        for target_ms in (0.0, -1.0, float("nan"), float("inf")):
            with refused("objectives.target"):
                objective.require_target(target_ms)
