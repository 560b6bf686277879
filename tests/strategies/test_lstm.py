"""The controllers' LSTM in numpy against torch's: log-probabilities, every gradient, and samples."""

from copy import deepcopy

import pytest
import torch
from toys import build, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS
from hwnas.strategies.policies.controller import Controller
from hwnas.strategies.policies.lstm import LstmLayer

CHOICES = (4, 3, 6, 1, 5)
WITH_CONTROLLERS = ("nas-rl", "enas", "mnasnet")
FORMS = {
    **{name: {} for name in WITH_CONTROLLERS},
    "wide weights, squashed": {"layers": 2, "units": 7, "init": 1.0, "temperature": 0.5, "tanh": 2.5},
}
each = pytest.mark.parametrize("form", FORMS)


def controller(form, dtype=torch.float64):
    """That of a method, as it is built, or one of `FORMS`."""
    if form in METHODS:
        return build(form, Limit.none(space(*CHOICES)), seed=3).model.to(dtype)
    return Controller(CHOICES, torch.Generator().manual_seed(3), **FORMS[form]).to(dtype)


def squashed_by_torch(model, logits):
    logits = logits / model.temperature
    return model.tanh * logits.tanh() if model.tanh else logits


def logs_by_torch(model, archs):
    """What `model` is to give, written with torch's LSTM."""
    before = model.embeddings[torch.arange(len(model.embeddings)), archs[:, :-1]]
    hidden, _ = model.lstm(torch.cat([model.start.expand(len(archs), 1, -1), before], 1))
    logits = squashed_by_torch(model, torch.einsum("nsu,suw->nsw", hidden, model.heads) + model.biases)
    return logits.masked_fill(model.absent, -torch.inf).log_softmax(2)


@torch.no_grad()
def samples_by_torch(model, count, generator):
    inputs, state, samples = model.start.expand(count, -1), None, []
    for slot, (head, bias) in enumerate(zip(model.heads, model.biases, strict=True)):
        hidden, state = model.lstm(inputs[:, None], state)
        logits = squashed_by_torch(model, hidden[:, 0] @ head + bias).masked_fill(model.absent[slot], -torch.inf)
        samples.append(torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0])
        if slot < len(model.embeddings):
            inputs = model.embeddings[slot, samples[-1]]
    return torch.stack(samples, 1)


def some_archs(count=6):
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(n, (count,), generator=generator) for n in CHOICES], 1)


def test_the_forms_are_those_of_all_methods_with_a_controller():
    policies = [name for name, method in METHODS.items() if method.kind == "policy"]
    toy = Limit.none(space(*CHOICES))
    assert {n for n in policies if isinstance(build(n, toy).model, Controller)} == set(WITH_CONTROLLERS)


def test_logits_are_divided_by_what_is_published():
    """By 5 in ENAS (1802.03268, §3.2); the others do not speak of it."""
    assert {name: controller(name).temperature for name in WITH_CONTROLLERS} == {"nas-rl": 1, "enas": 5, "mnasnet": 1}


@each
@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
def test_log_probabilities_and_every_gradient_are_those_of_autograd(form, dtype, within):
    model, archs = controller(form, dtype), some_archs()
    pull = torch.randn(len(archs), *model.absent.shape, generator=torch.Generator().manual_seed(2)).to(dtype)
    found, want = [], []
    for logs, kept in ((model(archs), found), (logs_by_torch(model, archs), want)):
        loss = (pull * logs.masked_fill(model.absent, 0)).sum() + (logs.exp() * pull).sum()
        kept += [logs.detach().exp(), *torch.autograd.grad(loss, list(model.parameters()))]
    assert len(found) == 5 + 4 * model.lstm.num_layers
    for one, other in zip(found, want, strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one, other, rtol=within, atol=within * max(1.0, float(other.abs().max())))


def test_no_gradient_of_the_gradient_is_made_up():
    model = controller("enas")
    (gradient,) = torch.autograd.grad(model(some_archs())[:, :, 0].square().sum(), model.biases, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.square().sum().backward()


@each
def test_samples_are_those_of_torch_from_the_same_generator(form):
    model, generators = controller(form, torch.float32), [torch.Generator().manual_seed(5) for _ in range(2)]
    for count in (64, 1):
        found = model.sample(count, generators[0])
        assert torch.equal(found, samples_by_torch(model, count, generators[1]))
    assert torch.equal(*(generator.get_state() for generator in generators))


def test_one_step_is_the_published_equations():
    one, zero = torch.ones(1, 1).double().numpy(), torch.zeros(4).double().numpy()
    layer = LstmLayer(zero[:, None], zero[:, None], zero)
    h, c = layer.step(torch.tensor([[0.0, 50.0, 50.0, 50.0]]).double().numpy(), one, 3 * one)
    assert c[0, 0] == pytest.approx(3 + 0.5)
    assert h[0, 0] == pytest.approx(torch.tensor(3.5).tanh())


@pytest.mark.parametrize("name", WITH_CONTROLLERS)
def test_a_step_follows_the_gradient_that_autograd_finds(name):
    toy, archs, advantages = Limit.none(space(*CHOICES)), some_archs(4), torch.tensor([1.0, -2.0, 0.5, 0.25])
    policy = build(name, toy, init=0.5, **({"epochs": 1, "entropy": 0.0} if name == "mnasnet" else {}))
    loss = -(advantages * policy.log_probs(archs).sum(1)).mean()
    want = torch.autograd.grad(loss, policy.model.weights)
    before = policy.model.heads.detach().clone()
    policy.improve(archs, advantages)
    for parameter, gradient in zip(policy.model.weights, want, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    assert not torch.equal(policy.model.heads, before)


@pytest.mark.parametrize("name", WITH_CONTROLLERS)
def test_a_state_of_a_commit_with_an_entry_for_each_weight_is_gone_on_from(name):
    toy = Limit.none(space(*CHOICES))
    archs, advantages = some_archs(4), torch.tensor([1.0, -1.0, 0.5, 0.0])
    now, then = (build(name, toy) for _ in range(2))
    now.improve(archs, advantages)
    state = deepcopy(now.state_dict())
    (entry,), (group,) = state["optimizer"]["state"].values(), state["optimizer"]["param_groups"]
    moments = zip(*(now.model.parts(entry[part]) for part in ("exp_avg", "exp_avg_sq")), strict=True)
    each = {index: {"step": entry["step"], "exp_avg": mean, "exp_avg_sq": square}
            for index, (mean, square) in enumerate(moments)}  # fmt: skip
    groups = [{**group, "params": list(each)}]
    then.load_state_dict({**state, "optimizer": {"state": each, "param_groups": groups}})
    for policy in (now, then):
        policy.improve(archs, advantages)
    for one, other in zip(now.model.weights, then.model.weights, strict=True):
        assert torch.equal(one, other)
