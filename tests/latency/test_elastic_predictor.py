"""The predictor where positions share choices, on a space whose latencies are made up, and so known."""

import numpy as np
import pytest
import torch

from hwnas.errors import InputError
from hwnas.latency import active, bayes
from hwnas.latency import features as features_room
from hwnas.latency import predictor as predictor_room
from hwnas.latency.active import most_uncertain, sample_architectures
from hwnas.latency.candidates import Candidates
from hwnas.latency.features import features
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.stats import Estimate
from hwnas.latency.table import columns_of


def every_arch(space):
    return np.array(list(np.ndindex(*space.choices)))


def drawn(space, count, seed=0):
    return np.random.default_rng(seed).integers(0, space.choices, (count, len(space.choices)))


def additive(space, archs):
    """Half a ms, and for each block 0.05 ms, so much for its MACs, and a tenth of that more for a large kernel."""
    return np.array(
        [
            0.5 + sum(0.05 + 2e-6 * block.macs * (1 + 0.1 * (block.kernel > 3)) for block in space.derive(arch).blocks)
            for arch in map(tuple, archs)
        ]
    )


@pytest.fixture(scope="module")
def predictor(elastic):
    archs = drawn(elastic, 40)
    noise = np.random.default_rng(1).normal(0, 0.01, len(archs))
    return LatencyPredictor(elastic, archs, additive(elastic, archs) * (1 + noise))


def some_probs(space, seed=0):
    rng, probs = np.random.default_rng(seed), np.full((len(space.choices), max(space.choices)), 9.0)
    for row, options in zip(probs, space.choices, strict=True):
        row[:options] = rng.dirichlet(np.ones(options))
    return probs


def test_it_learns_from_forty_networks(elastic, predictor):
    archs = every_arch(elastic)[::7]
    error = predictor.cost(archs) / additive(elastic, archs) - 1
    assert np.sqrt(np.mean(error**2)) < 0.01
    low, high = predictor.interval(archs)
    assert np.mean((low < additive(elastic, archs)) & (additive(elastic, archs) < high)) > 0.85
    assert predictor.quality.rmspe < 0.02


def test_latency_is_fixed_and_the_costs_of_the_chosen_candidates(elastic, predictor):
    archs, places = every_arch(elastic)[::7], Candidates.of(elastic)
    sums = places.sums(predictor.candidate_costs, archs)
    constant = predictor.cost(archs) - sums
    np.testing.assert_allclose(constant, constant[0])
    for costs in np.split(predictor.candidate_costs, places.starts[1:]):
        assert costs.mean() == pytest.approx(0, abs=1e-12)
    assert np.nan_to_num(predictor.costs).max() == 0, "no slot decides on a position alone"
    assert [len(slots) for slots, _ in predictor.shared] == [2, 3, 4, 4, 3, 4, 4], "the ends share their choices"
    assert all(table.min() == 0 for _, table in predictor.shared)
    assert 0 < predictor.fixed <= predictor.range()[0]


def test_the_range_is_that_of_all_networks(elastic, predictor):
    costs = predictor.cost(every_arch(elastic))
    assert predictor.range() == pytest.approx((costs.min(), costs.max()))


def test_expected_is_the_mean_over_all_networks(elastic, predictor):
    archs, probs = every_arch(elastic), some_probs(elastic)
    weights = probs[np.arange(archs.shape[1]), archs].prod(axis=1)
    assert weights.sum() == pytest.approx(1)
    assert predictor.expected(probs) == pytest.approx(weights @ predictor.cost(archs))
    for arch in archs[::200]:
        assert predictor.expected(elastic.encode(tuple(arch))) == pytest.approx(predictor.cost([arch])[0])


def test_expected_is_differentiable(elastic, predictor):
    probs = torch.from_numpy(some_probs(elastic)).requires_grad_()
    assert predictor.expected(probs).item() == pytest.approx(predictor.expected(some_probs(elastic)))
    assert torch.autograd.gradcheck(predictor.expected, probs)
    predictor.expected(probs).backward()
    beyond = np.arange(probs.shape[1]) >= np.array(elastic.choices)[:, None]
    assert (probs.grad.numpy()[beyond] == 0).all()
    assert (probs.grad.numpy()[~beyond] > 0).any(axis=None)


def test_weights_of_features_and_costs_of_candidates_say_the_same(elastic, monkeypatch):
    """Whichever are learned: those that are fewer."""
    archs, asked = drawn(elastic, 30), every_arch(elastic)[::50]
    labels = additive(elastic, archs)
    by_weights = LatencyPredictor(elastic, archs, labels)
    factors, _ = by_weights.uncertainty(asked)
    candidates, count = features(elastic, {}).values.shape
    assert factors.shape[1] == 1 + count < 1 + candidates

    def costs(found):
        groups = [found.values[:, found.groups == group] for group in range(len(found.names))]
        priors = np.zeros((1 + len(groups), 1 + candidates, 1 + candidates))
        priors[0, 0, 0] = np.exp(-bayes.TYPICAL)
        for prior, group in zip(priors[1:], groups, strict=True):
            prior[1:, 1:] = group @ group.T / group.shape[1]
        return np.eye(candidates), priors

    monkeypatch.setattr(predictor_room, "_basis", costs)
    by_costs = LatencyPredictor(elastic, archs, labels)
    assert by_costs.uncertainty(asked)[0].shape[1] == 1 + candidates
    np.testing.assert_allclose(by_weights.cost(asked), by_costs.cost(asked), rtol=1e-3)
    np.testing.assert_allclose(by_weights.deviation(asked), by_costs.deviation(asked), rtol=0.05)


def test_very_many_blocks_are_not_features_each(elastic, monkeypatch):
    assert "block" in features(elastic, {}).names
    monkeypatch.setattr(features_room, "BLOCKS", len(elastic.blocks()) - 1)
    assert "block" not in features(elastic, {}).names
    archs, asked = drawn(elastic, 40), every_arch(elastic)[::50]
    found = LatencyPredictor(elastic, archs, additive(elastic, archs))
    assert np.abs(found.cost(asked) / additive(elastic, asked) - 1).max() < 0.02


def test_features_are_centred_everywhere_and_vary_by_1_over_networks(elastic):
    places = Candidates.of(elastic)
    found = features(elastic, {"table": np.arange(len(places.owner)) ** 1.5})
    for values in np.split(found.values, places.starts[1:]):
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
    deviation = places.sums(found.values, every_arch(elastic)).std(axis=0)
    assert 0.8 < deviation.min() < deviation.max() < 1.2, "over a sample of the networks"


def test_an_option_tells_of_itself_once_and_where_its_layer_is(elastic):
    found, places = features(elastic, {}), Candidates.of(elastic)
    told = places.sums(found.values[:, found.groups == found.names.index("slot")], every_arch(elastic))
    archs = every_arch(elastic)
    names = [slot.name for slot in elastic.slots]
    for name, depth in (("resolution", None), ("kernel 1 2", "depth 1")):
        chosen = archs[:, names.index(name)] == 1
        if depth is not None:
            chosen &= archs[:, names.index(depth)] == 2
        expected = (chosen - chosen.mean()) / chosen.std()
        assert (np.abs(told - expected[:, None]).max(axis=0) < 0.3).any(), name


def test_a_stage_is_of_positions_and_not_of_what_is_chosen_there(elastic):
    found = features(elastic, {})
    assert (found.groups == found.names.index("macs by stage")).sum() == 3, "two stages and the classifier"


def test_columns_of_measured_blocks_add_up_to_networks(elastic):
    def exactly(ms):
        return Estimate(ms, ms, ms, ms, ms, ms, ms, 10)

    rows = {block.key: exactly(0.1 + 1e-6 * block.macs) for block in elastic.blocks()}
    column = columns_of(elastic, rows, exactly(0.04))["table"]
    archs = every_arch(elastic)[::50]
    sums = [sum(rows[block.key].ms - 0.04 for block in elastic.derive(tuple(arch)).blocks) for arch in archs]
    np.testing.assert_allclose(Candidates.of(elastic).sums(column, archs), sums)


def test_another_device_lends_its_costs(elastic, predictor):
    archs, asked = drawn(elastic, 6, 5), every_arch(elastic)[::50]
    alone, helped = (
        LatencyPredictor(elastic, archs, 3 * predictor.cost(archs), columns)
        for columns in (None, {"other": predictor.candidate_costs})
    )
    errors = [np.abs(found.cost(asked) / (3 * predictor.cost(asked)) - 1).mean() for found in (helped, alone)]
    assert errors[0] < 0.5 * errors[1]


def test_uncertainty_adds_up(elastic, predictor):
    archs = every_arch(elastic)[::50]
    factors, noise = predictor.uncertainty(archs)
    relative = predictor.deviation(archs) / predictor.cost(archs)
    np.testing.assert_allclose(relative**2, (factors**2).sum(axis=1) + noise**2)
    chosen = most_uncertain(predictor, 5, np.random.default_rng(0))
    assert len(set(chosen)) == 5
    assert all(elastic.check(arch) for arch in chosen)


def test_networks_are_drawn_over_the_whole_range_by_shared_options(elastic):
    macs = [
        sorted(elastic.derive(arch).macs for arch in sample_architectures(elastic, 60, 0, even))
        for even in (False, True)
    ]
    ends = [elastic.derive(arch).macs for arch in (elastic.smallest, elastic.largest)]
    assert macs[1][3] < 0.8 * macs[0][3]
    assert macs[1][-3] > 1.1 * macs[0][-3]
    assert ends[0] <= macs[1][0] < macs[1][-1] <= ends[1]


def test_the_work_of_an_option_is_what_it_adds_to_a_network(elastic):
    archs = every_arch(elastic)
    macs = np.array([elastic.derive(tuple(arch)).macs for arch in archs])
    for slot, work in enumerate(active._mean_macs(elastic)):
        means = np.array([macs[archs[:, slot] == option].mean() for option in range(len(work))])
        np.testing.assert_allclose(work - work[0], means - means[0])
        assert work.min() >= 0


def test_refuses_what_is_not_of_the_space(predictor):
    for ask in (predictor.cost, predictor.interval):
        for wrong in ([(0,) * 9], [(0,) * 9 + (2,)], [(-1,) + (0,) * 9]):
            with pytest.raises(InputError):
                ask(wrong)
