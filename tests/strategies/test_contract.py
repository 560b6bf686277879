"""What every strategy that is asked and told must keep to, black-box samplers and policies alike."""

import inspect
import random
from functools import cache

import numpy as np
import pytest
import torch
from toys import QUICK, Linear, elastic, every, limited, made, optimum, space

from hwnas.errors import InputError
from hwnas.nn.state import load_state, save_state
from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import GIVEN, METHODS

DIFFERENT = {(method.strategy, *method.constants.items()): name for name, method in METHODS.items()}
ASKED = [name for name in DIFFERENT.values() if METHODS[name].kind != "gradient"]  # one-shot methods share samplers
POLICIES = [name for name in ASKED if METHODS[name].kind == "policy"]
TOYS = {"independent": space(4, 3, 5, 2, 4), "elastic": elastic()}
ROUNDS = 40

each = pytest.mark.parametrize("name", ASKED)
each_space = pytest.mark.parametrize("kind", TOYS)
each_limit = pytest.mark.parametrize("allowed", ["hard", "band"])
named_space = cache(registry.get)


def run(sampler, score, rounds=ROUNDS):
    """What it asks for, told what that is worth."""
    asked = []
    for _ in range(rounds):
        asked.append(sampler.ask())
        sampler.tell(asked[-1], score(asked[-1]))
    return asked


@each
@each_space
@each_limit
def test_asks_for_architectures_within_the_limit_and_chooses_one(name, kind, allowed):
    limit = limited(TOYS[kind], allowed)
    sampler = made(name, limit, budget=ROUNDS)
    asked = run(sampler, Linear(TOYS[kind]).score)
    assert all(isinstance(arch, tuple) and {type(i) for i in arch} == {int} for arch in asked)
    assert all(limit.space.check(arch) == arch for arch in asked)
    assert limit.allows([*asked, sampler.best()]).all()
    assert len(set(asked)) > 3


@each
def test_finalists_are_different_and_within_the_limit_that_is_given(name):
    free, hard = (limited(TOYS["independent"], allowed) for allowed in ("free", "hard"))
    sampler = made(name, free, budget=ROUNDS)
    asked = run(sampler, Linear(TOYS["independent"]).score)
    chosen = sampler.finalists(5, hard)
    assert len(set(chosen)) == len(chosen) > 2
    assert hard.allows(chosen).all()
    assert sampler.finalists(1, free) == [sampler.best()]
    if name not in POLICIES:
        best = sorted(hard.filter(list(set(asked))), key=Linear(TOYS["independent"]).score)
        assert chosen == best[:-6:-1]


@each
@each_space
def test_the_same_seed_gives_the_same_run_and_another_seed_another(name, kind):
    limit, score = limited(TOYS[kind], "hard"), Linear(TOYS[kind]).score
    one, same, other = (run(made(name, limit, seed=seed, budget=ROUNDS), score) for seed in (3, 3, 4))
    assert one == same != other


@each
@pytest.mark.parametrize("told", [True, False], ids=["after a score", "before it"])
@pytest.mark.parametrize("cut", [1, 17])
def test_a_run_that_is_saved_and_loaded_goes_on_as_it_would_have(name, cut, told, tmp_path):
    limit, score = limited(TOYS["elastic"], "band"), Linear(TOYS["elastic"]).score
    sampler = made(name, limit, budget=ROUNDS)
    run(sampler, score, cut)
    pending = None if told else sampler.ask()
    save_state(tmp_path / "state", sampler.state_dict())
    loaded = made(name, limit, seed=9, budget=ROUNDS)
    run(loaded, score, 2)  # all that it knew is forgotten
    loaded.load_state_dict(load_state(tmp_path / "state"))
    for one in (sampler, loaded):
        if pending is not None:
            one.tell(pending, score(pending))
    assert run(sampler, score, ROUNDS - cut) == run(loaded, score, ROUNDS - cut)
    assert sampler.finalists(5, limit) == loaded.finalists(5, limit)


@each
@each_space
@pytest.mark.parametrize("allowed", ["free", "hard"])
def test_finds_the_optimum_of_a_separable_problem(name, kind, allowed):
    """Among 480 architectures or 36; random search may look at as many as are within the limit."""
    limit, score = limited(TOYS[kind], allowed), Linear(TOYS[kind])
    rounds = 300 if name in POLICIES else 160 if kind == "independent" else 50
    if METHODS[name].strategy.endswith("RandomSearch"):
        rounds = len(limit.filter(every(limit.space)))
    sampler = made(name, limit, budget=rounds)
    run(sampler, score.score, rounds)
    assert score.score(sampler.best()) >= optimum(score, limit) * (0.97 if name in POLICIES else 1 - 1e-9)


@each
def test_nothing_global_is_drawn_from_or_kept(name):
    limit, score = limited(TOYS["independent"], "hard"), Linear(TOYS["independent"]).score
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    alone = run(made(name, limit, budget=ROUNDS), score)
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before
    one, other = made(name, limit, budget=ROUNDS), made(name, limit, seed=1, budget=ROUNDS)
    asked = []
    for _ in range(ROUNDS):
        asked += run(one, score, 1)
        run(other, lambda arch: -score(arch), 1)
    assert asked == alone


@each
def test_may_be_asked_ahead_and_told_what_it_did_not_ask_for(name):
    """As where several evaluators work at once, or a search goes on from scores that are known already."""
    limit, score = limited(TOYS["independent"], "hard"), Linear(TOYS["independent"]).score
    sampler = made(name, limit, budget=ROUNDS)
    best = max(limit.filter(every(limit.space)), key=score)
    sampler.tell(best, score(best))
    for _ in range(ROUNDS // 4):
        asked = [sampler.ask() for _ in range(4)]
        assert limit.allows(asked).all()
        for arch in reversed(asked):
            sampler.tell(arch, score(arch))
    if name not in POLICIES:
        assert sampler.best() == best


@each
@pytest.mark.parametrize("choices", [(1,), (1, 2, 1), (2, 2)])
def test_goes_on_where_there_are_fewer_architectures_than_evaluations(name, choices):
    tiny = space(*choices)
    sampler = made(name, Limit.none(tiny), budget=ROUNDS)
    assert set(run(sampler, Linear(tiny).score)) == set(every(tiny))
    assert len(sampler.finalists(9, Limit.none(tiny))) == len(every(tiny))


@each
def test_a_limit_that_no_architecture_meets_is_said(name):
    limit = limited(TOYS["elastic"], "free").within(-1.0)
    with pytest.raises(InputError, match="found no architecture of elastic toy"):
        made(name, limit).ask()


@pytest.mark.parametrize("name", [name for name in ASKED if name not in POLICIES])
def test_knows_no_best_before_it_is_told_any(name):
    with pytest.raises(InputError, match="no architecture within the limit was evaluated yet"):
        made(name, limited(TOYS["elastic"], "hard")).best()


@each
@pytest.mark.parametrize("where", registry.SPACES)
def test_works_on_every_named_space(name, where):
    space = named_space(where)
    free = Limit(space, Linear(space, seed=7).cost)
    drawn = [space.sample(np.random.default_rng(seed)) for seed in range(200)]
    limit = free.within(float(np.quantile(free.cost(drawn), 0.3)))
    sampler = made(name, limit, budget=10)
    asked = run(sampler, Linear(space).score, 12)
    assert [space.check(arch) for arch in asked] == asked
    assert limit.allows([*asked, sampler.best()]).all()


@each
def test_a_constant_out_of_range_is_refused_by_its_name(name):
    """Every number as -1, and every word as another."""
    limit = limited(TOYS["elastic"], "free")
    for constant, parameter in inspect.signature(METHODS[name].parts[0]).parameters.items():
        if constant not in GIVEN and not isinstance(parameter.default, bool):
            with pytest.raises(InputError, match=constant):
                made(name, limit, **{constant: "nonsense" if isinstance(parameter.default, str) else -1})


def test_quick_constants_are_of_policies():
    assert set(QUICK) <= set(POLICIES)
