"""What a policy says of all architectures of a toy, listed; and gradients that are exact but for chance."""

from collections import Counter
from functools import partial

import numpy as np
import pytest
import torch
from toys import every, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.policies.base import Policy, PolicyConstants
from hwnas.strategies.policies.controller import Controller
from hwnas.strategies.policies.factorised import Factorised
from hwnas.strategies.policies.scaling import LearningRateScaling, SearchProgress

CHOICES = (3, 2, 3)
TOY = space(*CHOICES)
ALL = torch.tensor(every(TOY))
MODELS = {
    "controller": partial(Controller, layers=2, units=6, init=1.0),
    "squashed": partial(Controller, layers=1, units=6, init=2.0, temperature=5.0, tanh=2.5),
    "factorised": partial(Factorised, spread=1.0),
}
each = pytest.mark.parametrize("name", MODELS)


def build(name, seed=0, **constants):
    """A policy with such a model, which nothing scaled."""
    values = PolicyConstants(**({"lr": 0.01, "batch": 4, "decay": 0.9} | constants))
    scaling = LearningRateScaling(lr=0.01, updates=1, batch=4, most=0.01)
    return Policy(TOY, Limit.none(TOY), values, seed=seed, budget=100, model=MODELS[name], scaling=scaling)


@each
def test_probabilities_sum_to_one_and_there_is_nothing_beyond_narrow_slots(name):
    policy = build(name)
    probs = policy.log_probs(ALL).sum(1).exp().detach()
    assert float(probs.sum()) == pytest.approx(1, abs=1e-5)
    assert float(probs.max() / probs.min()) > 1.5
    assert (policy.model(ALL)[:, 1, 2] == -torch.inf).all()
    assert policy.model(ALL).exp().sum(2).allclose(torch.ones(len(ALL), 3))


@each
def test_samples_are_as_frequent_as_the_log_probabilities_say(name):
    policy, draws = build(name), 4000
    counts = Counter(map(tuple, policy.model.sample(draws, torch.Generator().manual_seed(1)).tolist()))
    probs = policy.log_probs(ALL).sum(1).exp().detach()
    assert set(counts) <= set(every(TOY))
    for arch, p in zip(every(TOY), probs.tolist(), strict=True):
        assert abs(counts[arch] / draws - p) < 4 * (p / draws) ** 0.5 + 1e-3


@each
def test_the_mean_of_the_entropies_is_the_entropy(name):
    policy = build(name)
    logs = policy.log_probs(ALL).sum(1).detach()
    want = -(logs.exp() * logs).sum()
    assert float((logs.exp() * policy.entropies(ALL).sum(1).detach()).sum()) == pytest.approx(float(want), abs=1e-5)
    (gradient,) = torch.autograd.grad(policy.entropies(ALL).sum(), next(policy.model.parameters()))
    assert gradient.isfinite().all()


@each
def test_marginals_are_those_of_all_architectures(name):
    policy = build(name)
    probs = policy.log_probs(ALL).sum(1).exp().detach()
    want = torch.zeros(3, 3)
    for slot in range(3):
        want[slot].index_add_(0, ALL[:, slot], probs)
    found = policy.distribution()
    assert found[0].allclose(want[0], atol=1e-6)  # nothing is before the first slot
    assert found.allclose(want, atol=1e-6 if name == "factorised" else 0.1)
    assert found[1, 2] == 0
    assert (policy.distribution() == found).all()


@each
def test_the_mean_gradient_of_reinforce_is_that_of_the_expected_reward(name):
    """The mean over all architectures, by their probability; each is a batch of its own."""
    policy = build(name, decay=0.5)
    values = torch.rand(len(ALL), generator=torch.Generator().manual_seed(3)).double()
    parameters = list(policy.model.parameters())

    def flat(loss):
        found = torch.autograd.grad(loss, parameters)
        return torch.cat([gradient.flatten() for gradient in found])

    probs = policy.log_probs(ALL).sum(1).exp()
    want, taken = flat((probs * values).sum()), []
    policy.descend = lambda loss: taken.append(-flat(loss))
    for arch, value in zip(every(TOY), values, strict=True):
        policy.baseline.load_state_dict({"total": 0.45, "weight": 1.0})
        policy.update([(arch, float(value))], SearchProgress(100, 0.5, shared=False))
    mean = torch.stack([p * gradient for p, gradient in zip(probs.detach(), taken, strict=True)]).sum(0)
    assert want.norm() > 0.01
    torch.testing.assert_close(mean, want / 2, atol=1e-6, rtol=1e-3)  # the sample is half of the average


def test_the_loss_is_a_mean_over_the_batch_of_what_each_is_above_the_average():
    policy, taken = build("factorised"), []
    policy.descend = taken.append
    policy.update([((0, 1, 2), 0.9), ((2, 0, 1), 0.3)], SearchProgress(100, 0.5, shared=False))
    logs = policy.log_probs(torch.tensor([[0, 1, 2], [2, 0, 1]])).sum(1)
    assert float(taken[0].detach()) == pytest.approx(float((-logs[0] * 0.3 + logs[1] * 0.3).detach()) / 2)


def test_a_controller_knows_what_was_chosen_before_and_a_factorised_policy_does_not():
    logs = build("controller").model(ALL)
    first = ALL[:, 0]
    assert not logs[first == 0][:, 1].allclose(logs[first == 1][:, 1].mean(0, keepdim=True), atol=1e-3)
    assert logs[:, 0].allclose(logs[:1, 0])
    flat = build("factorised").model(ALL)
    assert (flat == flat[:1]).all()


def test_logits_are_cut_by_the_temperature_and_the_tanh():
    logs = build("squashed").model(ALL).exp().detach()
    assert float(logs[:, 0].max() / logs[:, 0].min()) < torch.tensor(2 * 2.5).exp()
    controller = build("squashed").model
    assert controller.squash(np.array([5.0, -500.0])).tolist() == pytest.approx([2.5 * 0.76159416, -2.5])
    controller.tanh = 0.0
    assert controller.squash(np.array([5.0])).tolist() == [1.0]


def test_weights_are_within_the_range_of_their_initialisation():
    weights = torch.cat([p.detach().flatten() for p in build("controller").model.parameters()])
    assert 0.98 < float(weights.abs().max()) <= 1.0
    assert abs(float(weights.mean())) < 0.1
