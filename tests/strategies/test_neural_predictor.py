"""Neural Predictor: the graph convolution against its formula, and what the network can tell apart."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import mse_loss
from toys import Linear, make, run, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.samplers.graph_network import HIDDEN, Convolution, GraphNetwork, chain
from hwnas.strategies.samplers.neural_predictor import NeuralPredictor


def test_the_graph_is_the_row_normalised_chain_with_loops():
    assert chain(3).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_a_convolution_is_its_formula_node_by_node():
    rng = np.random.default_rng(0)
    h, weights, graph = (rng.normal(size=size) for size in ((4, 2, 3), (2, 3, 5), (4, 4)))
    found, _ = Convolution(np.concatenate([graph, graph.T]), weights).run(h)
    for n in range(2):
        for node in range(4):
            along = sum(graph[node, j] * h[j, n] for j in range(4)) @ weights[0]
            against = sum(graph[j, node] * h[j, n] for j in range(4)) @ weights[1]
            assert found[node, n] == pytest.approx((along.clip(0) + against.clip(0)) / 2)


def test_gradients_are_those_of_torch():
    rng = np.random.default_rng(0)
    network = GraphNetwork((2, 3, 2), [(0, 0, 1), (1, 2, 0)], [0.0, 1.0], 8, seed=0)
    x, target = network._nodes([(0, 1, 1), (1, 2, 0), (1, 0, 1)]), np.array([0.3, -1.0, 2.0], np.float32)
    kept = (rng.random((3, HIDDEN), np.float32) > 0.3) / np.float32(0.7)
    loss, found = network.gradients(x, target, kept)

    *layers, hidden, bias, last = weights = [torch.tensor(weight, requires_grad=True) for weight in network.weights]
    h, graph = torch.tensor(x), torch.tensor(chain(5))
    for one, other in layers:
        halves = [torch.einsum("ij,jnf->inf", mix, h) @ weight for mix, weight in ((graph, one), (graph.T, other))]
        h = sum(half.relu() for half in halves) / 2
    units = (h.mean(0) @ hidden + bias).relu() * torch.tensor(kept)
    expected = mse_loss((units @ last)[:, 0], torch.tensor(target))
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    for gradient, weight in zip(found, weights, strict=True):
        assert np.abs(weight.grad.numpy()).max() > 0
        assert gradient == pytest.approx(weight.grad.numpy(), rel=1e-4, abs=1e-6)


def test_nodes_are_the_ends_and_the_slots_each_with_its_option_and_place():
    network = GraphNetwork((2, 3), [(0, 0), (1, 2)], [0.0, 1.0], 8, seed=0)
    nodes = network._nodes([(1, 2), (0, 1)])[:, 0]
    kinds, places = nodes[:, :5], nodes[:, 5:]
    assert kinds.argmax(1).tolist() == [0, 2 + 1, 2 + 2, 1]
    assert (kinds.sum(1) == 1).all()
    assert (places == np.eye(4)).all()


def test_the_network_predicts_what_it_did_not_see():
    toy = space(3, 4, 3, 2, 3)
    score, rng = Linear(toy), np.random.default_rng(0)
    archs = list({toy.sample(rng) for _ in range(150)})
    scores = score.cost(archs)
    network = GraphNetwork(toy.choices, archs[:60], scores[:60].tolist(), 48, seed=0)
    assert np.corrcoef(network.predict(archs[60:]), scores[60:])[0, 1] > 0.8
    again = GraphNetwork(toy.choices, archs[:60], scores[:60].tolist(), 48, seed=0)
    assert (network.predict(archs) == again.predict(archs)).all()


@pytest.mark.parametrize(("budget", "initial"), [(10, 4), (100, 40), (1000, 172)])
def test_as_many_random_ones_as_published_or_as_the_budget_allows(budget, initial):
    toy = space(*(6,) * 9)
    sampler = make(NeuralPredictor, Limit.none(toy), seed=0, budget=budget)
    sampler.ask()
    assert len(set(sampler.queue)) == len(sampler.queue) == initial


def test_what_it_expects_most_of_is_evaluated_first_and_a_quarter_more_at_once():
    toy = space(3, 4, 3, 2, 3)
    score, sampler = Linear(toy), make(NeuralPredictor, Limit.none(toy), seed=0, budget=100)
    run(sampler, score.score, 40)
    sampler.ask()
    planned = [*sampler.queue[-1:], *sampler.queue[:-1]]
    assert len(planned) == 10
    assert score.cost(planned).mean() > np.quantile(score.cost(list(sampler.scores)), 0.9)


@pytest.mark.parametrize(("scores", "updates"), [(3, 90), (8, 240), (20, 300)])
def test_a_fit_takes_300_epochs_but_no_more_updates_than_that(monkeypatch, scores, updates):
    seen, gradients = [], GraphNetwork.gradients
    counted = lambda self, x, target, kept: seen.append(len(target)) or gradients(self, x, target, kept)  # noqa: E731
    monkeypatch.setattr(GraphNetwork, "gradients", counted)
    archs = list(product(range(5), repeat=2))[:scores]
    GraphNetwork((5, 5), archs, [float(sum(arch)) for arch in archs], 4, seed=0)
    assert len(seen) == updates
    assert sum(seen) == pytest.approx(min(300 * scores, 10 * updates), abs=10)
