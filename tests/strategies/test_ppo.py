"""MnasNet's PPO against its formula."""

import numpy as np
import pytest
import torch
from toys import make, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.policies.mnasnet import MnasNet, clipped_slope


@pytest.mark.parametrize(
    ("ratio", "advantage", "value", "slope"),
    [
        (1.0, 2.0, 2.0, 2.0),
        (1.1, 2.0, 2.2, 2.0),
        (1.5, 2.0, 2.4, 0.0),  # it has gained enough
        (0.5, 2.0, 1.0, 2.0),  # it has lost: that is to be mended, however far it is
        (0.9, -2.0, -1.8, -2.0),
        (0.5, -2.0, -1.6, 0.0),
        (1.5, -2.0, -3.0, -2.0),
    ],
)
def test_the_gradient_of_the_clipped_objective(ratio, advantage, value, slope):
    def objective(r):
        return min(r * advantage, min(max(r, 0.8), 1.2) * advantage)

    assert objective(ratio) == pytest.approx(value)
    assert (objective(ratio + 1e-6) - objective(ratio - 1e-6)) / 2e-6 == pytest.approx(slope)
    assert clipped_slope(np.array([[ratio]]), np.array([advantage]), clip=0.2).tolist() == [[pytest.approx(slope)]]


def test_slots_are_summed_and_architectures_averaged():
    ratios = np.array([[1.0, 0.5], [2.0, 1.0]])
    assert clipped_slope(ratios, np.array([3.0, -1.0]), 0.2).tolist() == [[1.5, 0.0], [0.0, -0.5]]


def recorded(epochs, **constants):
    """The gradients of each step by four architectures, as those of the heads' biases."""
    toy = space(3, 2)
    policy = make(MnasNet, Limit.none(toy), seed=0, budget=100, epochs=epochs, batch=4, **constants)
    archs, advantages = torch.tensor([[0, 0], [1, 1], [2, 0], [0, 1]]), torch.tensor([1.0, -1.0, 0.5, 0.0])
    found, step = [], policy.optimizer.step

    def note():
        found.append(policy.model.biases.grad.clone())
        step()

    policy.optimizer.step = note
    before = policy.log_probs(archs).detach()
    policy.improve(archs, advantages)
    return policy, archs, advantages, before, found


def test_the_first_step_is_that_of_reinforce_and_as_many_follow_as_there_are_epochs():
    policy, archs, advantages, _, found = recorded(epochs=3, entropy=0.0)
    again = make(MnasNet, policy.limit, seed=0, budget=100, batch=4)
    loss = -(advantages * again.log_probs(archs).sum(1)).mean()
    (want,) = torch.autograd.grad(loss, again.model.biases)
    assert len(found) == 3
    torch.testing.assert_close(found[0], want)


def test_steps_end_where_the_ratios_are_clipped_objective():
    """At a rate that overshoots at once, what has moved as far as it should is not pushed on; what moved astray is."""
    policy, archs, _, before, found = recorded(epochs=2, lr=0.3, entropy=0.0)
    assert found[0].abs().max() > 1e-2
    assert found[1].abs().max() < 0.1 * found[0].abs().max()
    moved = (policy.log_probs(archs) - before).sum(1)
    assert moved[0] > 0 > moved[1]


def test_the_entropy_is_raised():
    policy, archs, _, _, _ = recorded(epochs=1, lr=0.05)
    with torch.no_grad():
        policy.model.biases[0] = torch.tensor([2.0, 0.0, 0.0])
    before = policy.entropies(archs).mean()
    policy.entropy = 1.0
    policy.improve(archs, torch.zeros(4))
    assert policy.entropies(archs).mean() > before


def test_the_gradient_of_the_entropy_is_that_of_autograd():
    policy, archs, _, _, _ = recorded(epochs=1, lr=0.05, init=1.0)
    (want,) = torch.autograd.grad(-0.7 * policy.entropies(archs).sum(1).mean(), policy.model.embeddings)
    policy.entropy, policy.epochs = 0.7, 1
    policy.improve(archs, torch.zeros(4))
    torch.testing.assert_close(policy.model.embeddings.grad, want)
