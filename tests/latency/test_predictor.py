"""The predictor against a table whose latencies are known to be affine in the choices."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hwnas.errors import InputError
from hwnas.latency.predictor import TablePredictor
from hwnas.space import mobile


@pytest.fixture(scope="module")
def predictor(space, table):
    return TablePredictor(space, table)


def every_arch(space):
    return [tuple(arch) for arch in np.ndindex(*space.choices)]


def test_cost_is_fixed_plus_chosen_costs(predictor, space):
    for arch, cost in zip(every_arch(space), predictor.cost(every_arch(space)), strict=True):
        assert cost == pytest.approx(predictor.fixed + sum(predictor.costs[slot, i] for slot, i in enumerate(arch)))
        assert cost == pytest.approx(predictor.predict(space.derive(arch)))


def test_the_sum_is_calibrated(space, table, predictor):
    """By hand: the constant, and the scale times overhead and blocks above it."""
    arch = (1, 3, 0)
    blocks = [table.rows[block.key].ms - table.overhead.ms for block in space.derive(arch).blocks]
    expected = table.fit.constant + table.fit.scale * (table.overhead.ms + sum(blocks))
    assert predictor.cost([arch])[0] == pytest.approx(expected)


def test_a_skip_is_free_and_narrow_slots_are_padded(predictor):
    assert predictor.costs.shape == (3, 4)
    assert predictor.costs[1, 3] == 0
    assert np.isnan(predictor.costs[0, 3])
    assert np.isnan(predictor.costs[2, 2:]).all()
    assert (np.nan_to_num(predictor.costs) >= 0).all()


def test_expected_is_the_mean_over_samples(predictor, space):
    rng = np.random.default_rng(0)
    probs = np.zeros((3, 4))
    for slot, count in enumerate(space.choices):
        probs[slot, :count] = rng.dirichlet(np.ones(count))
    drawn = np.stack([rng.choice(4, size=200_000, p=row) for row in probs], axis=1)
    assert predictor.expected(probs) == pytest.approx(predictor.cost(drawn).mean(), rel=2e-3)
    chances = [np.prod(probs[range(3), arch]) for arch in every_arch(space)]
    exact = np.dot(chances, predictor.cost(every_arch(space)))
    assert predictor.expected(probs) == pytest.approx(exact)


def test_expected_of_a_certain_choice_is_its_cost(predictor, space):
    for arch in every_arch(space):
        assert predictor.expected(space.encode(arch)) == pytest.approx(predictor.cost([arch])[0])


def test_expected_is_differentiable(predictor, space):
    probs = torch.full((3, 4), 0.25, requires_grad=True)
    expected = predictor.expected(probs)
    expected.backward()
    np.testing.assert_allclose(probs.grad.numpy(), np.nan_to_num(predictor.costs), rtol=1e-6)
    assert expected.item() == pytest.approx(float(predictor.expected(np.full((3, 4), 0.25))), rel=1e-6)


def test_range_holds_every_network(predictor, space):
    costs = predictor.cost(every_arch(space))
    assert predictor.range() == pytest.approx((costs.min(), costs.max()))


def test_intervals_hold_the_checks(predictor, table):
    archs = [check.arch for check in table.checks]
    measured = np.array([check.measured.ms for check in table.checks])
    wide, narrow = predictor.interval(archs, 0.999), predictor.interval(archs, 0.5)
    assert ((wide[0] <= measured) & (measured <= wide[1])).all()
    assert (wide[0] < narrow[0]).all()
    assert (narrow[1] < wide[1]).all()
    np.testing.assert_allclose((wide[0] + wide[1]) / 2, predictor.cost(archs))


def test_refuses_what_is_not_of_the_space(predictor):
    for wrong in ([(0, 0)], [(0, 0, 2)], [(3, 0, 0)], [(-1, 0, 0)]):
        with pytest.raises(InputError, match="not architectures of tiny"):
            predictor.cost(wrong)


def test_refuses_another_space_and_a_missing_row(space, table):
    with pytest.raises(InputError, match="not proxyless-32 of 5 classes"):
        TablePredictor(mobile.get("proxyless-32", 5), table)
    for block in space.blocks():
        rows = {key: row for key, row in table.rows.items() if key != block.key}
        with pytest.raises(InputError, match=f"no row for {block.key}"):
            TablePredictor(space, replace(table, rows=rows))


def test_many_architectures_at_once(predictor, space):
    drawn = np.random.default_rng(0).integers(0, space.choices, (100_000, 3))
    found = predictor.cost(drawn)
    assert found.shape == (100_000,)
    assert found[99_999] == predictor.cost([tuple(drawn[99_999])])[0]
