"""The alternation of weight and architecture steps: what each may touch, and that a cut changes nothing."""

import signal
from itertools import chain

import pytest
import torch

from hwnas.errors import InputError
from hwnas.nn.state import save_state
from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.loops import RelaxationLoop, Schedule
from hwnas.strategies.objective import SteeredLatency
from hwnas.strategies.proxyless import ProxylessGradient

COSTS = torch.tensor([[0.3, 0.5, 0.9, 0.0], [0.2, 0.6, 0.7, 0.0], [0.4, 0.5, 1.0, 0.0]])
SHORT = Schedule(warmup_steps=4, steps=8, weight_steps_per_arch_step=2, batch_size=4, arch_lr=0.2, checkpoint_seconds=0)


def small_space() -> SearchSpace:
    """Three slots of three MBConvs and a skip, on 8×8 images."""
    convs = [Block("mbconv", 8, 8, 8, 8, k, 1, e, act="relu6", residual=True) for k, e in ((3, 2), (5, 3), (7, 1))]
    slot = Slot((*convs, Block("skip", 8, 8, 8, 8)))
    return SearchSpace(
        "small", (Block("conv", 3, 8, 8, 8, 3, act="relu6"), *[slot] * 3, Block("classifier", 8, 5, 8, 8))
    )


class LinearCost:
    """0.1 ms and the cost of each candidate."""

    def expected(self, probs):
        return 0.1 + (probs * COSTS).sum()


def batches(kind, log):
    """Four random images for each step, another four for each kind; what is asked for is noted in `log`."""

    def batch(step):
        log.append(f"{kind} {step}")
        generator = torch.Generator().manual_seed(2 * step + (kind == "held-out"))
        return torch.randn(4, 3, 8, 8, generator=generator), torch.randint(5, (4,), generator=generator)

    return batch


def loop_of(schedule, *, seed=0, target_ms=1.0, log=None):
    log = [] if log is None else log
    supernet = Supernet(small_space(), seed)
    for name, value in supernet.named_parameters():  # residual blocks begin as the identity, with gradients of 0
        if "project.norm" in name:
            value.data.fill_(1.0)
    strategy = ProxylessGradient(small_space(), steps=schedule.arch_steps, lr=schedule.arch_lr, seed=seed)
    objective = SteeredLatency(target_ms)
    return RelaxationLoop(
        supernet, strategy, objective, LinearCost(), schedule, batches("training", log), batches("held-out", log)
    )


def weights(loop):
    return {name: value.clone() for name, value in loop.supernet.named_parameters()}


def moved(loop, before):
    return {name for name, value in loop.supernet.named_parameters() if not torch.equal(value, before[name])}


def run(loop, path, report=lambda done, text: None):
    loop.run(path, report)
    return loop


def test_weights_see_training_images_and_the_architecture_held_out_ones_at_their_turn(tmp_path):
    log = []
    run(loop_of(SHORT, log=log), tmp_path / "state")
    warmup = [f"training {step}" for step in range(4)]
    rounds = [(f"training {4 + 2 * i}", f"training {5 + 2 * i}", f"held-out {i}") for i in range(4)]
    assert log == [*warmup, *chain(*rounds)]


def test_the_warm_up_leaves_the_architecture_and_the_multiplier_alone():
    loop = loop_of(SHORT)
    before = loop.strategy.alpha.detach().clone()
    for _ in range(SHORT.warmup_steps + SHORT.weight_steps_per_arch_step - 1):
        loop.step(lambda done, text: None)
        assert torch.equal(loop.strategy.alpha, before)
        assert loop.objective == SteeredLatency(1.0)
    loop.step(lambda done, text: None)
    assert not torch.equal(loop.strategy.alpha, before)


def test_every_architecture_step_steers_by_the_expected_latency_that_it_led_to():
    loop = loop_of(SHORT)
    errors = []
    for step in range(5):
        loop.arch_step(step)
        errors.append(float(LinearCost().expected(loop.strategy.distribution())) / 1.0 - 1)
        assert loop.objective.error == pytest.approx(errors[-1])
        assert loop.objective.accumulated == pytest.approx(sum(errors))
    assert len(set(errors)) == 5


def test_weight_decay_spares_the_norms():
    without, strong = (loop_of(SHORT.model_copy(update={"weight_decay": decay})) for decay in (0.0, 0.5))
    initial = weights(without)
    for loop in (without, strong):
        loop.weight_step(0)
    trained = moved(without, initial)
    decayed = moved(strong, weights(without))
    norms = {name for name in initial if "norm" in name}
    assert trained & norms
    assert not decayed & norms
    assert decayed == {name for name in trained - norms if not name.endswith("bias")}  # biases were 0


def test_a_weight_step_moves_nothing_off_its_path():
    """Neither by weight decay nor by the momentum of earlier steps."""
    loop = loop_of(SHORT.model_copy(update={"weight_decay": 0.5}))
    paths, draw = [], loop.strategy.path

    def path():
        paths.append(draw())
        return paths[-1]

    loop.strategy.path = path
    for step in range(12):
        before = weights(loop)
        loop.weight_step(step)
        ran = ("parts.0.", "parts.4.", *(f"parts.{slot}.{index}." for slot, index in enumerate(paths[-1], 1)))
        assert moved(loop, before) == {name for name in before if name.startswith(ran)}
    assert all(len(set(slot)) > 2 for slot in zip(*paths, strict=True))


def test_an_architecture_step_moves_no_weight_and_no_momentum():
    loop = loop_of(SHORT)
    loop.weight_step(0)
    before, alpha = weights(loop), loop.strategy.alpha.detach().clone()
    momenta = [state["momentum_buffer"].clone() for state in loop.optimizer.state.values()]
    rate = loop.rate.state_dict()
    loop.arch_step(0)
    assert not moved(loop, before)
    after = [state["momentum_buffer"] for state in loop.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(after, momenta, strict=True))
    assert loop.rate.state_dict() == rate
    assert not torch.equal(loop.strategy.alpha, alpha)


def test_in_bfloat16_steps_are_nearly_the_same_and_weights_stay_float32():
    exact, rough = (loop_of(SHORT.model_copy(update={"bfloat16": half})) for half in (False, True))
    losses = [(loop.weight_step(0), loop.arch_step(0)) for loop in (exact, rough)]
    assert losses[0][0] != losses[1][0]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.02)
    assert all(value.dtype == torch.float32 for value in rough.supernet.parameters())
    gradients = [loop.strategy.alpha.grad for loop in (exact, rough)]
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return run(loop_of(SHORT), tmp_path_factory.mktemp("whole") / "state")


def test_the_rate_of_the_weights_falls_to_0_over_the_whole_run(undisturbed):
    assert [group["lr"] for group in undisturbed.optimizer.param_groups] == pytest.approx([0, 0])
    begun = loop_of(SHORT)
    for _ in range(SHORT.total // 2):
        begun.step(lambda done, text: None)
    assert begun.rate.get_last_lr() == pytest.approx([SHORT.lr / 2] * 2)


def require_same(loop, undisturbed):
    assert loop.done == undisturbed.done == SHORT.total
    assert torch.equal(loop.strategy.alpha, undisturbed.strategy.alpha)
    assert not moved(loop, weights(undisturbed))
    assert loop.objective == undisturbed.objective
    assert loop.rate.state_dict() == undisturbed.rate.state_dict()


@pytest.mark.parametrize("cut", range(1, SHORT.total + 1))
def test_a_run_stopped_by_ctrl_c_at_any_step_ends_as_an_undisturbed_one(undisturbed, tmp_path, cut):
    def interrupt(done, text):
        if done == cut:
            signal.raise_signal(signal.SIGINT)

    stopped = loop_of(SHORT.model_copy(update={"checkpoint_seconds": 3600}))
    with pytest.raises(KeyboardInterrupt):
        run(stopped, tmp_path / "state", interrupt)
    assert stopped.done == cut
    require_same(run(loop_of(SHORT, seed=9), tmp_path / "state"), undisturbed)  # another seed: all is in the file


@pytest.mark.parametrize("cut", range(2, SHORT.total + 1))
def test_a_run_that_died_in_any_step_ends_as_an_undisturbed_one(undisturbed, tmp_path, cut):
    def die(done, text):
        if done == cut:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(loop_of(SHORT), tmp_path / "state", die)
    log = []
    require_same(run(loop_of(SHORT, seed=9, log=log), tmp_path / "state"), undisturbed)
    assert log[0] == f"training {cut - 1}"  # the step that was lost, and none before it


def renamed(state):
    state["supernet"] = {f"old.{name}": value for name, value in state["supernet"].items()}


def shortened(state):
    del state["rate"]


def regrouped(state):
    del state["optimizer"]["param_groups"][0]


@pytest.mark.parametrize("change", [renamed, shortened, regrouped])
def test_a_checkpoint_of_another_version_is_refused_in_one_line(tmp_path, change):
    state = loop_of(SHORT).state_dict()
    change(state)
    save_state(tmp_path / "state", state)
    with pytest.raises(InputError, match=r"^\S*state is of another search or version: remove it to start again$"):
        run(loop_of(SHORT), tmp_path / "state")


@pytest.mark.parametrize("target_ms", [0.6, 1.6])
def test_expected_latency_ends_at_the_target(tmp_path, target_ms):
    """Whether the probabilities begin, at 1.38 ms, over the target or under it."""
    schedule = Schedule(warmup_steps=0, steps=300, batch_size=4)
    loop = loop_of(schedule, target_ms=target_ms)
    assert loop.expected_ms() == pytest.approx(1.38, abs=0.01)
    assert run(loop, tmp_path / "state").expected_ms() == pytest.approx(target_ms, rel=0.03)
