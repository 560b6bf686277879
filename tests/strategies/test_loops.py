"""Steps of weights and of the architecture: what each may touch, and what it is given."""

import math
from itertools import chain

import pytest
import torch
from learning import (
    COSTS,
    JOINT,
    SHORT,
    LinearCost,
    Sampled,
    Softmax,
    batches,
    loop_of,
    moved,
    one_shot,
    run,
    small_supernet,
    weights,
)
from torch.nn.functional import cross_entropy

from hwnas.errors import DivergedError
from hwnas.nn.gates import Gate
from hwnas.nn.state import save_state
from hwnas.nn.supernet import one_hot
from hwnas.strategies.loops import Schedule
from hwnas.strategies.objectives import Reward, reward
from hwnas.strategies.path_samplers.few_shot import FewShot
from hwnas.strategies.step import Stopwatch
from hwnas.testing import refused


def test_weights_see_training_images_and_the_architecture_held_out_ones_at_their_turn(tmp_path):
    log = []
    run(loop_of(SHORT, log=log), tmp_path / "state")
    warmup = [f"training {step}" for step in range(4)]
    rounds = [(f"training {4 + 2 * i}", f"training {5 + 2 * i}", f"validation {i}") for i in range(4)]
    assert log == [*warmup, *chain(*rounds)]


def test_a_single_level_learner_sees_only_the_training_images_of_the_steps_after_the_warm_up(tmp_path):
    log, parts, same = [], [], []

    def look(held):
        gates = one_hot((0, 1, 2))
        parts.append(held.progress)
        same.append(torch.equal(held.loss(gates), held.training_loss(gates)))

    run(loop_of(JOINT, learner=Softmax(single_level=True, look=look), log=log), tmp_path / "state")
    assert log == [f"training {step}" for step in range(12)]
    assert parts == [step / 8 for step in range(8)]
    assert all(same)


def test_a_single_level_learner_moves_the_weights_by_the_gradient_that_it_leaves():
    loop, twin = (loop_of(JOINT, learner=Softmax(single_level=True)) for _ in range(2))
    rows = twin.setup.learner.alpha.detach().softmax(1).unbind()
    images, labels = batches("training")(7)
    logits = twin.supernet(images, [Gate((0, 1, 2, 3), row, "weighted") for row in rows])
    grads = torch.autograd.grad(cross_entropy(logits, labels, label_smoothing=0.1), list(twin.supernet.parameters()))
    before = weights(loop)
    loop.optimizer.param_groups[0]["weight_decay"] = 0.0
    loop.joint_step(loop.setup, 7)
    for (name, value), grad in zip(loop.supernet.named_parameters(), grads, strict=True):
        # the first step of Nesterov's momentum 0.9 is 1.9 times as long
        torch.testing.assert_close(value.detach(), before[name] - 0.1 * 1.9 * grad, rtol=1e-4, atol=1e-6)
    assert not torch.equal(loop.setup.learner.alpha, twin.setup.learner.alpha)


def test_a_single_level_learner_takes_no_schedule_of_steps_in_turn():
    with refused("strategies.single-level", weight_steps_per_arch_step=2):
        loop_of(SHORT, learner=Softmax(single_level=True))


def test_the_warm_up_leaves_the_architecture_and_the_multiplier_alone():
    loop = loop_of(SHORT)
    before = loop.setup.learner.alpha.detach().clone()
    for _ in range(SHORT.warmup_steps + SHORT.weight_steps_per_arch_step - 1):
        loop.step()
        assert torch.equal(loop.setup.learner.alpha, before)
        assert loop.setup.objective.state_dict() == {"error": 0.0, "accumulated": 0.0}
    loop.step()
    assert not torch.equal(loop.setup.learner.alpha, before)


def test_every_architecture_step_steers_by_the_expected_latency_that_it_led_to():
    loop = loop_of(SHORT)
    errors = []
    for step in range(5):
        loop.arch_step(loop.setup, step)
        errors.append(float(LinearCost().expected(loop.setup.learner.distribution())) / 1.0 - 1)
        assert loop.setup.objective.state_dict()["error"] == pytest.approx(errors[-1])
        assert loop.setup.objective.state_dict()["accumulated"] == pytest.approx(sum(errors))
        assert loop.expected_ms() == pytest.approx(1 + errors[-1])
    assert len(set(errors)) == 5


def test_held_gives_the_loss_of_its_images_and_joins_the_latency_of_the_same_probabilities():
    seen = []

    def look(held):
        gates = [Gate((0, 2), torch.tensor([0.25, 0.75], requires_grad=True), "weighted")] * 3
        probs = torch.full((3, 4), 0.25)
        loss = held.loss(gates)
        seen.append(
            (held, gates, loss.detach(), held.training_loss(gates).detach(), held.with_latency(loss, probs).detach())
        )

    loop = loop_of(SHORT, learner=Softmax(look=look))
    loop.setup.objective.load_state_dict({"error": 0.3, "accumulated": 0.0})
    loop.done = 6
    loop.arch_step(loop.setup, 1)
    held, gates, loss, training, joined = seen[0]
    for kind, step, found in (("validation", 1, loss), ("training", 6, training)):
        images, labels = batches(kind)(step)
        expected = cross_entropy(small_supernet()(images, gates), labels, label_smoothing=0.1)
        torch.testing.assert_close(found, expected)
    expected_ms = 0.1 + float(COSTS.sum()) / 4
    assert float(joined - loss) == pytest.approx(10 * 0.3 * (expected_ms - 1))
    assert (held.progress, held.learning_rate) == (1 / 4, pytest.approx(SHORT.rate(6)))
    assert held.supernet is loop.supernet


class Sum(Reward):
    def __call__(self, accuracy, latency_ms, target_ms):
        return accuracy + 100 * latency_ms


def test_a_reward_is_of_the_accuracy_with_statistics_of_the_batch_and_of_the_latency_of_one_architecture():
    told = []
    loop = loop_of(SHORT, learner=Sampled(), objective=Sum(),
                   history=lambda *row: told.append(row))  # fmt: skip
    images, labels = batches("validation")(2)
    loop.arch_step(loop.setup, 2)
    assert len(told) == 3
    for step, arch, score in told:
        assert step == 3
        answers = small_supernet()(images, one_hot(arch)).argmax(1)
        ms = float(LinearCost().cost([arch])[0])
        assert score == pytest.approx(float((answers == labels).double().mean()) + 100 * ms)
    assert len({score for *_, score in told}) > 1


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
    paths, draw = [], loop.setup.learner.path

    def path():
        paths.append(draw())
        return paths[-1]

    loop.setup.learner.path = path
    for step in range(12):
        before = weights(loop)
        loop.weight_step(step)
        ran = ("parts.0.", "parts.4.", *(f"parts.{slot}.{index}." for slot, index in enumerate(paths[-1], 1)))
        assert moved(loop, before) == {name for name in before if name.startswith(ran)}
    assert all(len(set(slot)) > 2 for slot in zip(*paths, strict=True))


@pytest.mark.parametrize("kind", [Softmax, Sampled])
def test_an_architecture_step_moves_no_weight_and_no_momentum(kind):
    loop = loop_of(SHORT, learner=kind(), objective=reward("tunas") if kind is Sampled else None)
    loop.weight_step(0)
    before, alpha = weights(loop), loop.setup.learner.alpha.detach().clone()
    momenta = [state["momentum_buffer"].clone() for state in loop.optimizer.state.values()]
    loop.arch_step(loop.setup, 0)
    assert not moved(loop, before)
    after = [state["momentum_buffer"] for state in loop.optimizer.state.values()]
    assert all(torch.equal(a, b) for a, b in zip(after, momenta, strict=True))
    assert not torch.equal(loop.setup.learner.alpha, alpha)


def test_in_bfloat16_steps_are_nearly_the_same_and_weights_stay_float32():
    exact, rough = (loop_of(SHORT.model_copy(update={"bfloat16": half})) for half in (False, True))
    losses = [(loop.weight_step(0), loop.arch_step(loop.setup, 0)) for loop in (exact, rough)]
    assert losses[0][0] != losses[1][0]
    assert losses[1][0] == pytest.approx(losses[0][0], rel=0.02)
    assert all(value.dtype == torch.float32 for value in rough.supernet.parameters())
    gradients = [loop.setup.learner.alpha.grad for loop in (exact, rough)]
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


def test_the_overhead_is_what_the_strategy_does_beside_the_supernet(monkeypatch):
    """By a clock that only they move: a lesson by 1, a learner by 2 before its loss and 4 after it, the supernet by 10
    forward and 100 backward."""
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])

    def spend(seconds, value=None):
        now[0] += seconds
        return value

    loop = loop_of(SHORT, learner=Softmax(look=lambda held: spend(2)))
    path = loop.setup.learner.path
    loop.setup.learner.path = lambda: spend(1, path())
    loop.setup.learner.optimizer.zero_grad = lambda: spend(4)
    loop.supernet.register_forward_hook(lambda *_: spend(10))
    loop.supernet.parts[-1].register_forward_hook(lambda *call: call[-1].register_hook(lambda _: spend(100)) and None)
    for _ in range(6):
        loop.step()
    assert loop.own == 6 * 1 + 2 + 4
    assert loop.seconds == loop.own + 7 * 110
    assert loop.overhead == loop.own / loop.seconds
    resumed = loop_of(SHORT)
    resumed.load_state_dict(loop.state_dict())
    assert resumed.overhead == loop.overhead


def test_a_stopwatch_counts_what_runs_and_nothing_before_or_between(monkeypatch):
    now = [5.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    watch = Stopwatch(torch.device("cpu"))
    assert watch.seconds == 0
    for seconds in (2.0, 0.5):
        with watch.running():
            now[0] += seconds
        now[0] += 10
    assert watch.seconds == 2.5


def test_the_rate_of_the_weights_falls_along_a_cosine_to_its_floor():
    schedule = SHORT.model_copy(update={"lr_floor": 0.05})
    assert [schedule.rate(done) for done in (0, 6, 12)] == pytest.approx([0.1, 0.0525, 0.005])
    assert SHORT.rate(12) == pytest.approx(0)
    loop, rates = loop_of(schedule), []
    loop.optimizer.register_step_pre_hook(lambda *_: rates.append([g["lr"] for g in loop.optimizer.param_groups]))
    for _ in range(12):
        loop.step()
    assert rates == [[schedule.rate(done)] * 2 for done in range(12)]


def test_a_few_shot_supernet_is_divided_in_the_middle_and_each_step_then_trains_one_part():
    loop = one_shot(FewShot)
    for done in range(12):
        before = weights(loop)
        loop.step()
        assert loop.supernet.divided == (done >= 6)
        parts = {name.split(".parts.")[0] if name.startswith("others") else "first" for name in moved(loop, before)}
        if done < 6:
            assert parts == {"first"}
        elif done > 6:
            assert len(parts) == 1
    assert len(loop.supernet.others) == 3


@pytest.mark.parametrize("target_ms", [0.6, 1.6])
def test_expected_latency_ends_at_the_target(tmp_path, target_ms):
    """Whether the probabilities begin, at 1.38 ms, over the target or under it."""
    schedule = Schedule(warmup_steps=0, steps=200, batch_size=4)
    loop = loop_of(schedule, learner=Softmax(lr=0.3), target_ms=target_ms)
    assert loop.expected_ms() == pytest.approx(1.38, abs=0.01)
    assert run(loop, tmp_path / "state").expected_ms() == pytest.approx(target_ms, rel=0.03)


@pytest.mark.parametrize("what", ["loss", "score"])
def test_a_loss_or_score_that_is_no_number_stops_and_keeps_the_last_checkpoint(tmp_path, what):
    loop = loop_of(SHORT, learner=Sampled(), objective=reward("tunas"))
    for _ in range(5):
        loop.step()
    save_state(tmp_path / "state", loop.state_dict())
    if what == "loss":
        broken = loop_of(SHORT, learner=Sampled(), objective=reward("tunas"))
        broken.weight_batch = lambda step: (torch.full((4, 3, 8, 8), float("nan")), torch.zeros(4, dtype=torch.long))
    else:
        broken = loop_of(SHORT, learner=Sampled(), objective=NoNumber())
    before = (tmp_path / "state").read_bytes()
    with refused("strategies.diverged", kind=DivergedError, step=6, learning_rate=SHORT.rate(5)):
        broken.schedule = broken.schedule.model_copy(update={"checkpoint_seconds": 3600})
        broken.checkpoint_seconds = 3600
        broken.run(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == before


class NoNumber(Reward):
    def __call__(self, accuracy, latency_ms, target_ms):
        return float("nan")


def test_a_loop_without_learner_expects_no_latency_and_before_a_step_no_overhead():
    loop = one_shot(FewShot)
    assert math.isnan(loop.expected_ms())
    assert loop.overhead == 0.0
