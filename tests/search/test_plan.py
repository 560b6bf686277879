"""What is asked of a search: what it comes to, and what does not go together."""

import pytest

from hwnas.errors import InputError
from hwnas.search.plan import Plan, constants
from hwnas.strategies.loops import Schedule
from hwnas.strategies.methods import METHODS

SHORT = {"strategy": "random", "evaluator": "short"}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_is_a_plan_by_itself(name):
    plan = Plan(name)
    assert plan.method is METHODS[name]
    assert plan.learns == (METHODS[name].kind in ("gradient", "policy"))
    assert plan.shares
    assert plan.rounds == (0 if plan.learns else 200)
    assert plan.told()["objective"] == METHODS[name].objective
    assert plan.told()["sharing"] == METHODS[name].sharing


def test_a_policy_with_an_evaluator_is_a_sampler():
    plan = Plan("mnasnet", evaluator="short", evaluations=10)
    assert (plan.learns, plan.shares, plan.rounds, plan.judged_by) == (False, False, 10, "short")
    assert Plan("mnasnet", evaluator="inherited").shares
    assert not Plan("mnasnet", evaluator="inherited").learns


def test_only_rewards_that_weigh_latency_leave_the_strategy_free():
    assert Plan("tunas").free
    assert not Plan("enas").free
    assert not Plan("tunas", objective="hard").free


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"strategy": "guessing"}, "no strategy 'guessing': there are proxyless, "),
        ({"evaluator": "tarot"}, "no evaluator 'tarot': there are inherited, short, "),
        ({"strategy": "darts", "evaluator": "short"}, "darts judges by shared weights: leave out the evaluator short"),
        ({"strategy": "enas", "evaluations": 9}, "enas learns while the weights do: give it steps, not evaluations"),
        ({"strategy": "spos", "evaluations": 0}, "evaluations must be at least 1, not 0"),
        ({"objective": "tunas"}, "proxyless has no objective 'tunas': there are steered, "),
        ({"strategy": "enas", "objective": "steered"}, "enas has no objective 'steered': there are accuracy, "),
        ({"used": 1.0}, "at least 0 and under 1, not 1"),
        ({"constants": {"luck": 7}}, "proxyless has no constant 'luck': there are paths, "),
        ({"constants": {"weights.luck": 7}}, "no constant 'weights.luck'"),
        ({"constants": {"objective.luck": 7}}, "the loss steered has no constant 'luck'"),
        ({"constants": {"objective.integral": "fast"}}, "integral of the loss steered must be a number, not fast"),
        ({"constants": {"evaluator.epochs": 3}}, "the accuracy inherited from shared weights has no epochs"),
        ({"accuracies": "a.json"}, "the accuracy inherited from shared weights has no accuracies: name an evaluator"),
        ({**SHORT, "constants": {"evaluator.batch": 3}}, "the evaluator short has no constant 'batch': it has epochs"),
        ({**SHORT, "constants": {"evaluator.epochs": 1.5}}, "epochs of the evaluator short is a whole number, not 1.5"),
        ({**SHORT, "constants": {"evaluator.held": "most"}}, "held of the evaluator short is a number, not 'most'"),
        ({**SHORT, "accuracies": "a.json"}, "the evaluator short has no constant 'accuracies'"),
        ({**SHORT, "sharing": "collapsed"}, "short needs no shared weights: leave out their sharing"),
        ({**SHORT, "constants": {"weights.lr": 0.1}}, "short needs no shared weights: leave out weights.lr"),
        ({"strategy": "mnasnet", "evaluator": "naswot"}, "naswot gives no accuracy, which mnasnet-soft weighs"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_in_one_line(asked, message):
    with pytest.raises(InputError) as caught:
        Plan(**asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_accuracies_are_another_plan(tmp_path):
    file = tmp_path / "a.json"
    plan = Plan("random", evaluator="table", accuracies=file)
    told = []
    for text in ("{}", "{} "):
        file.write_text(text)
        told.append(plan.told())
    assert told[0] != told[1]
    file.unlink()
    with pytest.raises(InputError, match=r"cannot read table of accuracies .*a.json"):
        plan.told()


def test_the_schedule_has_the_methods_own_values_where_nothing_is_asked():
    assert Plan("bignas").schedule(Schedule()).lr_floor == 0.05
    assert Plan("bignas").schedule(Schedule(lr_floor=0.2)).lr_floor == 0.2
    assert Plan("tunas").schedule(Schedule(batch_size=8)) == Schedule(warmup_steps=0, steps=6000, batch_size=8)
    assert Plan("bignas", {"weights.lr_floor": 0.3, "weights.lr": 0.7}).schedule(Schedule(steps=5)) == Schedule(
        steps=5, lr_floor=0.3, lr=0.7
    )
    with pytest.raises(InputError, match="schedule of the weights: lr: "):
        Plan("bignas", {"weights.lr": -1}).schedule(Schedule())


def test_settings_are_of_the_kind_of_the_methods_own():
    assert constants("proxyless", ["paths=all", "init_std=1e-2"]) == {"paths": "all", "init_std": 0.01}
    assert constants("ofa", ["population=40", "weights.lr=0.2"]) == {"population": 40, "weights.lr": 0.2}
    for setting, message in (
        ("population", "give a constant as NAME=VALUE, not 'population'"),
        ("population=many", "population is a whole number, not 'many'"),
        ("init_std=wide", "init_std is a number, not 'wide'"),
    ):
        with pytest.raises(InputError, match=message):
            constants("proxyless" if "init" in setting else "ofa", [setting])
