"""The predictor on a space whose latencies are made up, and so known."""

import numpy as np
import pytest
import torch

from hwnas.errors import InputError
from hwnas.latency import bayes
from hwnas.latency.predictor import LatencyPredictor
from hwnas.space import registry
from hwnas.testing import refused

SPACE = registry.get("proxyless-32", 4)
COUNT = sum(SPACE.choices)


def drawn(count, seed=0):
    return np.random.default_rng(seed).integers(0, SPACE.choices, (count, len(SPACE.choices)))


def additive(archs, costs=None):
    """2 ms and the cost of each candidate: of its work, unless others are given, in order of slots."""
    if costs is None:
        costs = [0.2 * bool(block.layers) + 2e-6 * block.macs for slot in SPACE.slots for block in slot.candidates]
    return 2 + np.asarray(costs)[archs + np.cumsum((0, *SPACE.choices))[:-1]].sum(axis=1)


def odd(archs, seed=1):
    """What no sum of blocks can tell: a slot next to another like it is faster, and a network has luck of its own."""
    alike = (archs[:, 1:] == archs[:, :-1]).sum(axis=1)
    return additive(archs) * (1 - 0.03 * alike) * (1 + 0.02 * np.random.default_rng(seed).normal(size=len(archs)))


@pytest.fixture(scope="module")
def predictor():
    archs = drawn(40)
    return LatencyPredictor(SPACE, archs, odd(archs))


def some_probs(seed=0):
    rng = np.random.default_rng(seed)
    probs = np.zeros((len(SPACE.choices), max(SPACE.choices)))
    for row, count in zip(probs, SPACE.choices, strict=True):
        row[:count] = rng.dirichlet(np.ones(count))
    return probs


def test_cost_is_fixed_plus_chosen_costs(predictor):
    for arch, cost in zip(drawn(20), predictor.cost(drawn(20)), strict=True):
        assert cost == pytest.approx(predictor.fixed + sum(predictor.costs[slot, i] for slot, i in enumerate(arch)))


def test_narrow_slots_are_padded_and_the_fastest_network_is_fixed(predictor):
    assert predictor.costs.shape == (len(SPACE.choices), max(SPACE.choices))
    for row, count in zip(predictor.costs, SPACE.choices, strict=True):
        assert np.isnan(row).sum() == max(SPACE.choices) - count
        assert row[:count].min() == 0
    fastest = np.nanargmin(predictor.costs, axis=1)
    assert predictor.cost([fastest])[0] == pytest.approx(predictor.fixed)


def test_range_holds_every_network(predictor):
    ends = [pick(predictor.costs, axis=1) for pick in (np.nanargmin, np.nanargmax)]
    assert predictor.range() == pytest.approx(tuple(predictor.cost(ends)))
    costs = predictor.cost(drawn(1000))
    assert predictor.range()[0] <= costs.min() < costs.max() <= predictor.range()[1]


def test_candidate_costs_are_the_costs_less_the_mean_of_each_slot(predictor):
    rows = np.split(predictor.candidate_costs, np.cumsum(SPACE.choices)[:-1])
    for flat, row in zip(rows, predictor.costs, strict=True):
        np.testing.assert_allclose(flat, row[: len(flat)] - np.nanmean(row), atol=1e-9)


def test_expected_is_the_mean_over_samples(predictor):
    rng, probs = np.random.default_rng(0), some_probs()
    archs = np.stack([rng.choice(len(row), 10_000, p=row) for row in probs], axis=1)
    assert predictor.expected(probs) == pytest.approx(predictor.cost(archs).mean(), rel=0.01)


def test_expected_of_a_certain_choice_is_its_cost(predictor):
    for arch in drawn(20):
        assert predictor.expected(SPACE.encode(tuple(arch))) == pytest.approx(predictor.cost([arch])[0])


def test_expected_is_differentiable(predictor):
    probs = torch.from_numpy(some_probs()).requires_grad_()
    expected = predictor.expected(probs)
    expected.backward()
    np.testing.assert_allclose(probs.grad.numpy(), np.nan_to_num(predictor.costs))
    assert expected.item() == pytest.approx(float(predictor.expected(some_probs())))


def test_exact_sums_are_found():
    costs = np.random.default_rng(0).uniform(0.1, 1, COUNT)
    archs = drawn(150)
    found = LatencyPredictor(SPACE, archs, additive(archs, costs))
    np.testing.assert_allclose(found.cost(drawn(500, 1)), additive(drawn(500, 1), costs), rtol=1e-5)


def test_what_follows_from_the_blocks_needs_few_labels():
    """12 labels, where the candidates are 60."""
    archs = drawn(12)
    found = LatencyPredictor(SPACE, archs, additive(archs))
    assert np.abs(found.cost(drawn(500, 1)) / additive(drawn(500, 1)) - 1).max() < 0.01


def test_a_borrowed_column_helps():
    """Costs that do not follow from the blocks, and another device where they are nearly the same."""
    rng = np.random.default_rng(2)
    costs = rng.uniform(0.1, 1, COUNT)
    elsewhere = 3 * costs + rng.normal(0, 0.05, COUNT)
    archs, asked = drawn(25), drawn(500, 1)
    alone, borrowing = (
        np.std(LatencyPredictor(SPACE, archs, additive(archs, costs), columns).cost(asked) / additive(asked, costs))
        for columns in (None, {"elsewhere": elsewhere})
    )
    assert borrowing < 0.02 < 0.06 < alone


def test_intervals_hold_what_they_promise():
    """With a truth that the model cannot have, over several draws of the labels."""
    asked = drawn(500, 99)
    truth, inside = odd(asked, 99), {0.5: [], 0.9: []}
    for seed in range(6):
        archs = drawn(40, seed)
        found = LatencyPredictor(SPACE, archs, odd(archs, seed))
        for level, held in inside.items():
            low, high = found.interval(asked, level)
            held.append(np.mean((low <= truth) & (truth <= high)))
            np.testing.assert_allclose((low + high) / 2, found.cost(asked))
    assert 0.85 < np.mean(inside[0.9]) < 0.97
    assert 0.4 < np.mean(inside[0.5]) < 0.65


def test_quality_is_that_at_networks_not_seen(predictor):
    asked = drawn(500, 99)
    error = np.sqrt(np.mean((predictor.cost(asked) / odd(asked, 99) - 1) ** 2))
    assert predictor.quality.labels == 40
    assert 0.6 < predictor.quality.rmspe / error < 1.6
    assert 0.8 < predictor.quality.spearman < 1


def test_more_labels_leave_less_uncertainty(predictor):
    archs, asked = drawn(300), drawn(100, 99)
    more = LatencyPredictor(SPACE, archs, odd(archs))
    before, after = (np.linalg.norm(found.uncertainty(asked)[0], axis=1) for found in (predictor, more))
    assert np.median(after) < 0.7 * np.median(before)
    factors, noise = more.uncertainty(asked)
    relative = more.deviation(asked) / more.cost(asked)
    np.testing.assert_allclose(relative**2, (factors**2).sum(axis=1) + noise**2)


def test_a_stored_model_gives_the_same_without_a_search(predictor, monkeypatch):
    monkeypatch.setattr(bayes, "minimize", None)
    archs = drawn(40)
    again = LatencyPredictor(SPACE, archs, odd(archs), model=predictor.model)
    np.testing.assert_allclose(again.cost(drawn(500, 99)), predictor.cost(drawn(500, 99)), rtol=1e-3)
    np.testing.assert_allclose(again.interval(archs), predictor.interval(archs), rtol=5e-3)
    assert again.model == predictor.model


def test_a_model_of_other_columns_is_not_used(predictor):
    archs, column = drawn(40), {"elsewhere": np.random.default_rng(0).uniform(size=COUNT)}
    plain, told = (LatencyPredictor(SPACE, archs, odd(archs), column, model) for model in (None, predictor.model))
    np.testing.assert_array_equal(told.costs, plain.costs)
    assert told.model == plain.model != predictor.model


def test_a_wrong_label_moves_little():
    archs, asked = drawn(60), drawn(500, 99)
    labels = odd(archs)
    plain = LatencyPredictor(SPACE, archs, labels).cost(asked)
    labels[7] *= 2
    assert np.abs(LatencyPredictor(SPACE, archs, labels).cost(asked) / plain - 1).max() < 0.02


@pytest.mark.parametrize("wrong", [[(0,) * 8], [(0,) * 8 + (7,)], [(-1,) + (0,) * 8]])
def test_refuses_what_is_not_of_the_space(predictor, wrong):
    for ask in (predictor.cost, predictor.interval, predictor.deviation):
        with pytest.raises(InputError) as caught:
            ask(wrong)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("label", [0.0, -1.0, np.nan, np.inf])
def test_refuses_labels_that_are_none(label):
    labels = additive(drawn(5))
    labels[3] = label
    with refused("predictor.labels", InputError, good=4, labels=5):
        LatencyPredictor(SPACE, drawn(5), labels)


def test_refuses_a_single_label_and_labels_of_other_networks():
    with refused("predictor.labels", InputError, good=1, labels=1):
        LatencyPredictor(SPACE, drawn(1), additive(drawn(1)))
    with refused("predictor.count", InputError, labels=5, networks=4):
        LatencyPredictor(SPACE, drawn(4), additive(drawn(5)))


def test_many_architectures_at_once(predictor):
    found = predictor.cost(drawn(100_000))
    assert found.shape == (100_000,)
    assert found[99_999] == predictor.cost([tuple(drawn(100_000)[99_999])])[0]


@pytest.mark.parametrize("count", [2, 3, 5])
def test_of_very_few_labels_the_mean_is_learned_first(count):
    found = LatencyPredictor(SPACE, drawn(count), additive(drawn(count)))
    asked = drawn(200, 9)
    assert np.abs(found.cost(asked) / additive(asked) - 1).mean() < 0.3


def test_three_labels_of_a_large_space_teach_their_mean():
    space = registry.get("fbnet")
    macs = np.array([block.macs for slot in space.slots for block in slot.candidates])

    def sums(archs):
        return 2 + 1e-6 * macs[archs + np.cumsum((0, *space.choices))[:-1]].sum(axis=1)

    archs, asked = (np.random.default_rng(seed).integers(0, 9, (count, 22)) for seed, count in ((0, 3), (9, 200)))
    assert np.abs(LatencyPredictor(space, archs, sums(archs)).cost(asked) / sums(asked) - 1).mean() < 0.05


def test_intervals_of_labels_that_contradict_each_other_are_not_below_0():
    """The widest latencies at the lightest networks and none at most others put some predictions below 0."""
    archs = drawn(24)
    found = LatencyPredictor(SPACE, archs, np.exp(np.random.default_rng(0).normal(0, 2, len(archs))))
    asked = drawn(500, 1)
    assert found.cost(asked).min() < 0
    low, high = found.interval(asked)
    assert found.deviation(asked).min() > 0
    assert low.min() == 0 <= high.min()
    assert (low <= high).all()
