"""A loop that is cut off goes on as if it had not been, also for longer than it was begun for."""

import signal

import pytest
import torch
from learning import JOINT, SHORT, Sampled, Softmax, loop_of, moved, one_shot, run, weights

from hwnas.nn.state import save_state
from hwnas.strategies.objectives import Loss, reward
from hwnas.strategies.path_samplers.few_shot import FewShot
from hwnas.strategies.path_samplers.path_dropout import PathDropout
from hwnas.strategies.path_samplers.rules import Fair, Sandwich, Uniform
from hwnas.strategies.path_samplers.shrinking import ProgressiveShrinking
from hwnas.testing import refused

LEARNERS = {
    "gradient": lambda seed: loop_of(SHORT, seed=seed),
    "single level": lambda seed: loop_of(JOINT, seed=seed, learner=Softmax(seed, single_level=True)),
    "reward": lambda seed: loop_of(SHORT, seed=seed, learner=Sampled(seed), objective=reward("tunas")),
}
PATHS = {
    "uniform": Uniform,
    "fair": Fair,
    "sandwich": Sandwich,
    "path dropout": PathDropout,
    "shrinking": ProgressiveShrinking,
    "few-shot": FewShot,
}


def makers():
    for name, make in LEARNERS.items():
        yield pytest.param(make, id=name)
    for name, kind in PATHS.items():
        yield pytest.param(lambda seed, kind=kind: one_shot(kind, seed=seed), id=name)


def require_same(loop, other):
    assert loop.done == other.done
    assert not moved(loop, weights(other))
    assert getattr(loop.supernet, "divided", None) == getattr(other.supernet, "divided", None)
    if loop.setup is not None:
        assert torch.equal(loop.setup.learner.alpha, other.setup.learner.alpha)
        assert torch.equal(loop.setup.learner.generator.get_state(), other.setup.learner.generator.get_state())
    if loop.setup is not None and isinstance(loop.setup.objective, Loss):
        assert loop.setup.objective.state_dict() == other.setup.objective.state_dict()


@pytest.mark.parametrize("make", list(makers()))
def test_a_run_that_is_cut_anywhere_ends_as_an_undisturbed_one(make, tmp_path):
    whole = run(make(0), tmp_path / "whole")
    assert whole.done == SHORT.total
    for cut in (3, 7):
        stopped = make(0)
        for _ in range(cut):
            stopped.step()
        save_state(tmp_path / "state", stopped.state_dict())
        resumed = run(make(9), tmp_path / "state")  # another seed: all is in the file
        require_same(resumed, whole)


@pytest.mark.parametrize("cut", [1, 4, 6, 12])
def test_a_run_stopped_by_ctrl_c_ends_as_an_undisturbed_one(tmp_path, cut):
    def interrupt(done, text):
        if done == cut:
            signal.raise_signal(signal.SIGINT)

    stopped = loop_of(SHORT.model_copy(update={"checkpoint_seconds": 3600}))
    with pytest.raises(KeyboardInterrupt):
        run(stopped, tmp_path / "state", interrupt)
    assert stopped.done == cut
    require_same(run(loop_of(SHORT, seed=9), tmp_path / "state"), run(loop_of(SHORT), tmp_path / "whole"))


@pytest.mark.parametrize("cut", [2, 7, 12])
def test_a_run_that_died_in_a_step_ends_as_an_undisturbed_one(tmp_path, cut):
    def die(done, text):
        if done == cut:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(loop_of(SHORT), tmp_path / "state", die)
    log = []
    require_same(run(loop_of(SHORT, seed=9, log=log), tmp_path / "state"), run(loop_of(SHORT), tmp_path / "whole"))
    assert log[0] == f"training {cut - 1}"  # the step that was lost, and none before it


@pytest.mark.parametrize("kind", [None, FewShot])
def test_a_run_goes_on_under_a_longer_schedule_at_the_rates_of_that(tmp_path, kind):
    """Those of a few-shot supernet that is divided stay so, although the longer schedule would divide it later."""
    longer = SHORT.model_copy(update={"steps": 28})
    run(one_shot(kind) if kind else loop_of(SHORT), tmp_path / "state")
    loop, rates = one_shot(kind, longer) if kind else loop_of(longer), []
    loop.optimizer.register_step_pre_hook(lambda *_: rates.append(loop.optimizer.param_groups[0]["lr"]))
    run(loop, tmp_path / "state")
    assert loop.done == 32
    assert rates == [longer.rate(done) for done in range(12, 32)]
    assert rates[0] > 0.06
    assert getattr(loop.supernet, "divided", True)


def renamed(state):
    state["supernet"] = {f"old.{name}": value for name, value in state["supernet"].items()}


def shortened(state):
    del state["learner"]


def regrouped(state):
    del state["optimizer"]["param_groups"][0]


@pytest.mark.parametrize("change", [renamed, shortened, regrouped])
def test_a_checkpoint_of_another_version_is_refused_in_one_line(tmp_path, change):
    state = loop_of(SHORT).state_dict()
    change(state)
    save_state(tmp_path / "state", state)
    with refused("search.other-checkpoint", path=str(tmp_path / "state")):
        run(loop_of(SHORT), tmp_path / "state")
