"""Every sampler, black-box methods and policies alike, keeps the contract, and finds what can be found."""

import pytest
from toys import Linear, build, elastic, every, limited, make, optimum, run, space

from hwnas.strategies.methods import METHODS
from hwnas.strategies.samplers import graph_network
from hwnas.strategies.samplers.random import RandomSearch
from hwnas.strategies.samplers.scored import ScoredSampler
from hwnas.testing import SamplerContract, refused
from hwnas.testing.toys import SPACES

DIFFERENT = {(method.strategy, *method.constants.items()): name for name, method in METHODS.items()}
SAMPLERS = [name for name in DIFFERENT.values() if METHODS[name].kind != "gradient"]  # one-shot methods share some
POLICIES = [name for name in SAMPLERS if METHODS[name].kind == "policy"]
BLACK_BOX = [name for name in SAMPLERS if name not in POLICIES]
GUIDED = [name for name in SAMPLERS if not METHODS[name].strategy.endswith("RandomSearch")]


QUICK = {"neural-predictor": {"candidates": 200}}
"""Less of the same: 5000 are predicted at each fit, of toy spaces that have 480 and 36 architectures. With its own
constants, and a fit of 300 updates, it finds the optimum below."""
UPDATES = 30


class TestBlackBox(SamplerContract):
    @pytest.fixture(autouse=True, params=BLACK_BOX)
    def _name(self, request, monkeypatch):
        self.reference, self.values = request.param, QUICK.get(request.param, {})
        monkeypatch.setattr(graph_network, "STEPS", UPDATES)

    def test_finalists_are_the_best_scored_within_the_limit(self):
        free, hard = (limited(SPACES["independent"], allowed) for allowed in ("free", "hard"))
        score, sampler = Linear(free.space).score, self.build(free)
        archs = self.run(sampler, score, self.rounds)
        assert sampler.finalists(5, hard) == sorted(hard.filter(list(set(archs))), key=score)[:-6:-1]

    def test_knows_no_best_before_anything_is_scored(self):
        with refused("strategies.nothing-scored"):
            self.build(limited(SPACES["elastic"], "hard")).best()

    def test_may_learn_a_score_that_it_did_not_ask_for(self):
        limit = limited(SPACES["independent"], "hard")
        score, sampler = Linear(limit.space).score, self.build(limit)
        best = max(limit.filter(every(limit.space)), key=score)
        sampler.add(best, score(best))
        self.run(sampler, score, self.rounds)
        assert sampler.best() == best

    def test_an_old_state_goes_on(self):
        """Written when scores were `told`, and nothing was pending or had failed."""
        limit = limited(SPACES["elastic"], "hard")
        score, sampler, loaded = Linear(limit.space).score, self.build(limit), self.build(limit, seed=9)
        self.run(sampler, score, 17)
        state = sampler.state_dict()
        del state["failed"], state["proposals"]
        loaded.load_state_dict({"told": state.pop("observations"), **state})
        assert self.run(sampler, score, 20) == self.run(loaded, score, 20)


class TestPolicies(SamplerContract):
    repeats = True

    @pytest.fixture(autouse=True, params=POLICIES)
    def _name(self, request):
        self.reference = request.param


@pytest.mark.parametrize("name", GUIDED)
@pytest.mark.parametrize("kind", SPACES)
@pytest.mark.parametrize("allowed", ["free", "hard"])
def test_finds_the_optimum_of_a_separable_problem(name, kind, allowed):
    """Among 480 architectures or 36."""
    limit, score = limited(SPACES[kind], allowed), Linear(SPACES[kind])
    rounds = 300 if name in POLICIES else 160 if kind == "independent" else 50
    sampler = build(name, limit, budget=rounds)
    run(sampler, score.score, rounds)
    assert score.score(sampler.best()) >= optimum(score, limit) * (0.97 if name in POLICIES else 1 - 1e-9)


def test_random_search_samples_each_architecture_once():
    limit = limited(elastic(), "hard")
    archs = run(make(RandomSearch, limit), Linear(elastic()).score, len(limit.filter(every(elastic()))))
    assert sorted(archs) == sorted(limit.filter(every(elastic())))


def test_a_score_takes_back_a_failure():
    sampler = make(RandomSearch, limited(space(3, 3), "free"))
    sampler.add((0, 1), None)
    sampler.add((0, 1), 0.5)
    assert sampler.best() == (0, 1)
    sampler.add((0, 1), None)
    with refused("strategies.nothing-scored"):
        sampler.best()


def test_twenty_lines_are_a_sampler():
    class Largest(ScoredSampler):
        def propose(self):
            return self.space.largest

    assert run(make(Largest, limited(space(3, 3), "free")), lambda arch: 1.0, 1) == [space(3, 3).largest]
