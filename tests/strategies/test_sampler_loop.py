"""Ask, evaluate, tell: what is told, what is kept, and that a cut changes nothing."""

import signal

import numpy as np
import pytest
from toys import make
from toys import space as slots

from hwnas.nn.ranks import Ranks
from hwnas.nn.state import save_state
from hwnas.strategies.limit import Limit
from hwnas.strategies.objectives import reward
from hwnas.strategies.sampler_loop import SamplerLoop
from hwnas.strategies.samplers.evolution import RegularisedEvolution
from hwnas.testing import refused

ACCURACY = reward("accuracy")


def cost(archs):
    """1 ms and a tenth for each index."""
    return np.array([1 + sum(arch) / 10 for arch in archs])


def value(arch):
    return 1 / (1 + sum(arch))


def loop_of(total=20, seed=0, identity="", objective=ACCURACY, log=None, looked=None):
    """A loop on the toy space; evaluations go into `log`, and what the history is told into `looked`."""
    log, looked = [] if log is None else log, [] if looked is None else looked
    space = slots(3, 3, 4)
    sampler = make(RegularisedEvolution, Limit(space, cost), seed=seed, budget=20)

    def evaluate(arch):
        log.append(arch)
        return value(arch)

    return SamplerLoop(
        sampler,
        total,
        evaluate,
        objective,
        cost,
        1.0,
        lambda step, arch, score: looked.append((step, arch, score)),
        identity,
    )


def test_the_sampler_is_told_the_reward_and_the_history_the_value(tmp_path):
    log, looked = [], []
    loop = loop_of(objective=reward("mnasnet-soft"), log=log, looked=looked)
    loop.run(tmp_path / "state")
    assert [step for step, *_ in looked] == list(range(1, 21))
    assert all(score == value(arch) for _, arch, score in looked)
    for (_, arch, _), (told, score) in zip(looked, loop.sampler.observations, strict=True):
        assert told == arch
        assert score == pytest.approx(value(arch) * cost([arch])[0] ** -0.07)
    assert len(log) == len(set(log)) == len(loop.values) <= 20  # none is evaluated twice
    assert 0 < loop.own < loop.seconds
    assert 0 < loop.overhead < 1


def test_the_ranks_agree_on_every_architecture_before_it_is_evaluated():
    """A rank that draws another one would wait for the others for ever, or average what is not the same."""
    calls = []

    class Watched(Ranks):
        def agree(self, what, value):
            calls.append(("agree", value))

    loop = loop_of()
    evaluate, loop.ranks = loop.evaluate, Watched()
    loop.evaluate = lambda arch: (calls.append(("evaluate", arch)), evaluate(arch))[1]
    loop.step()
    assert [call for call, _ in calls] == ["agree", "evaluate"]
    assert calls[0][1] == calls[1][1]


def test_finalists_are_the_best_values_within_a_limit(tmp_path):
    loop = loop_of()
    loop.run(tmp_path / "state")
    limit = Limit(loop.sampler.space, cost, 1.6, 1.2)
    found = loop.finalists(3, limit)
    inside = [arch for arch in loop.values if 1.2 <= cost([arch])[0] <= 1.6 + 1e-9]
    assert [value(arch) for arch in found] == sorted(map(value, inside), reverse=True)[:3]


@pytest.mark.parametrize("cut", [1, 7, 19])
def test_a_run_that_is_stopped_ends_as_an_undisturbed_one(tmp_path, cut):
    whole, looked = [], []
    loop_of(looked=whole).run(tmp_path / "whole")

    def interrupt(done, text):
        if done == cut:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        loop_of(looked=looked).run(tmp_path / "state", interrupt)
    assert len(looked) == cut
    again = loop_of(seed=9, looked=looked)
    again.run(tmp_path / "state")
    assert looked == whole
    assert again.overhead > 0


def test_more_evaluations_go_on_where_fewer_ended(tmp_path):
    whole, looked = [], []
    loop_of(looked=whole).run(tmp_path / "whole")
    loop_of(total=12, looked=looked).run(tmp_path / "state")
    loop_of(total=20, looked=looked).run(tmp_path / "state")
    assert looked == whole


def test_where_evaluations_changed_it_begins_anew(tmp_path):
    loop_of(identity="a").run(tmp_path / "state")
    log = []
    loop_of(identity="b", log=log).run(tmp_path / "state")
    assert len(log) >= 10


def test_a_file_of_something_else_is_refused(tmp_path):
    save_state(tmp_path / "state", {"identity": "", "done": 3})
    with refused("search.other-checkpoint", path=str(tmp_path / "state")):
        loop_of().run(tmp_path / "state")


def test_what_is_asked_for_again_is_told_again_and_not_evaluated_again(tmp_path):
    log, looked = [], []
    loop = loop_of(total=6, log=log, looked=looked)
    asked = iter([(0, 1, 2), (1, 1, 1)] * 3)
    loop.sampler.propose = lambda: next(asked)
    loop.run(tmp_path / "state")
    assert log == [(0, 1, 2), (1, 1, 1)]
    assert len(looked) == len(loop.sampler.observations) == 6
