"""TuNAS: its rate, when its policy stands still, and what its weights are warmed up with."""

import pytest
import torch
from toys import Linear, ToyStep, elastic, make, space

from hwnas.strategies.limit import Limit
from hwnas.strategies.policies.scaling import SearchProgress
from hwnas.strategies.policies.tunas import TuNas

TOY = space(4, 3, 1)


def build(where=TOY, **constants):
    return make(TuNas, Limit.none(where), **{"seed": 0, "budget": 100, **constants})


def test_the_rate_grows_tenfold_from_the_end_of_the_delay():
    policy = build(lr=0.01)
    rates = [policy.rate(SearchProgress(100, part, shared=True)) for part in (0.0, 0.2499, 0.25, 0.625, 1.0)]
    assert rates == pytest.approx([0, 0, 0.01, 0.01 * 10**0.5, 0.1])
    assert policy.rate(SearchProgress(100, 0.5, shared=False)) == pytest.approx(0.01 * 10**0.5)


def test_the_default_rate_is_the_published_one_with_the_published_budget():
    assert build(budget=27_000).rate(SearchProgress(27_000, 0.25, shared=True)) == pytest.approx(4.8e-3)


def test_on_shared_weights_the_policy_stands_still_at_first_and_its_baseline_learns():
    policy, held = build(), ToyStep(Linear(TOY))
    for part, moves in ((0.0, False), (0.24, False), (0.25, True)):
        held.progress, before = part, policy.model.logits.detach().clone()
        policy.learn(held)
        assert (policy.model.logits != before).any() == moves
    assert policy.baseline.weight == pytest.approx(1 - 0.95**3)


def test_logits_begin_at_zero():
    assert (build().model.logits == 0).all()
    assert build().distribution()[1].tolist() == pytest.approx([1 / 3] * 3 + [0])


def test_all_options_run_and_their_mean_goes_on_with_a_probability_that_falls_to_zero():
    policy, path_sampler = build(), 1500
    for part, want in ((0.0, 1.0), (0.1, 0.6), (0.25, 0.0), (0.9, 0.0)):
        warm = [0, 0]
        for _ in range(path_sampler if 0 < want < 1 else 20):
            (gates,) = policy.training_paths(part).paths
            assert (gates[2].indices, gates[2].weights) == ((0,), None)
            for slot, n in ((0, 4), (1, 3)):
                if gates[slot].weights is not None:
                    warm[slot] += 1
                    assert gates[slot].mode == "weighted"
                    assert gates[slot].indices == tuple(range(n))
                    assert gates[slot].weights.tolist() == pytest.approx([1 / n] * n)
        count = path_sampler if 0 < want < 1 else 20
        assert all(abs(found / count - want) <= 4 * (want * (1 - want) / count) ** 0.5 for found in warm)


def test_slots_are_warmed_up_each_for_itself():
    policy = build()
    pairs = {tuple(gate.weights is None for gate in policy.training_paths(0.125).paths[0][:2]) for _ in range(60)}
    assert len(pairs) == 4


def test_a_width_is_the_largest_in_the_warm_up():
    """Its options change shapes, so that their outputs have no mean."""
    policy = build(elastic())
    width = policy.space.mixable.index(False)
    drawn = [policy.training_paths(part).paths[0][width].indices[0] for part in (0.0, 0.5) for _ in range(60)]
    assert policy.space.largest[width] == 1
    assert set(drawn[:60]) == {1}
    assert set(drawn[60:]) == {0, 1}


def test_the_warm_up_and_the_delay_can_be_left_out():
    policy = build(warmup=0.0, delay=0.0, lr=0.01)
    assert all(gate.weights is None for gate in policy.training_paths(0.0).paths[0])
    assert policy.rate(SearchProgress(100, 0.0, shared=True)) == 0.01


def test_lessons_go_on_as_they_would_have():
    one, other = build(), build(seed=5)
    one.training_paths(0.1)
    other.load_state_dict(one.state_dict())
    for part in (0.05, 0.1, 0.2):
        for mine, its in zip(one.training_paths(part).paths[0], other.training_paths(part).paths[0], strict=True):
            assert mine.indices == its.indices
    assert torch.equal(one.generator.get_state(), other.generator.get_state())
