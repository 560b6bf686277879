import copy
import multiprocessing
import random
import threading
from dataclasses import replace

import pytest
import torch
from timm.utils import ModelEmaV3

from hwnas.errors import DivergedError
from hwnas.nn.build import build
from hwnas.nn.ranks import Ranks
from hwnas.nn.state import load_state
from hwnas.space.net import Net
from hwnas.testing import refused
from hwnas.training.batches import Batches
from hwnas.training.loop import Loop
from hwnas.training.recipe import Recipe
from hwnas.training.train import train
from hwnas.training.trainee import Trainee

RECIPE = Recipe(epochs=3, batch_size=8)


def weights(trained):
    return trained.module.state_dict()


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class KilledError(Exception):
    pass


def killed_at(update):
    def report(done, text):
        if done == update:
            raise KilledError

    return report


def test_a_network_learns_colours(net, dataset):
    trained = train(net, dataset, Recipe(epochs=30, batch_size=8, lr=1e-2))
    assert trained.top1 > 0.9
    assert trained.history[-1] < trained.history[0]
    assert not trained.module.training


def test_the_same_seed_gives_the_same_weights_and_leaves_the_random_state_alone(net, dataset):
    state = torch.get_rng_state()
    first = train(net, dataset, RECIPE, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert equal(weights(first), weights(train(net, dataset, RECIPE, seed=1)))
    assert not equal(weights(first), weights(train(net, dataset, RECIPE, seed=2)))


def test_batches_are_made_beside_the_updates_and_only_as_long_as_there_are_any(net, dataset):
    def makers():
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]

    seen = []
    train(net, dataset, RECIPE, report=lambda done, text: seen.append(makers()))
    assert seen == [["batches_0"]] * 18
    with pytest.raises(KilledError):
        train(net, dataset, RECIPE, report=killed_at(7))
    assert makers() == []


@pytest.mark.parametrize("update", [6, 7, 17])  # the end of the first epoch, and inside of the second and the third
def test_a_killed_run_ends_as_an_undisturbed_one(net, dataset, tmp_path, update):
    whole = train(net, dataset, RECIPE, seed=1)
    checkpoint = tmp_path / "state"
    with pytest.raises(KilledError):
        train(net, dataset, RECIPE, 1, checkpoint, killed_at(update))
    updates = []
    resumed = train(net, dataset, RECIPE, 1, checkpoint, lambda done, text: updates.append(done))
    assert updates[0] == 1 + 6 * ((update - 1) // 6)  # where the last epoch ended
    assert equal(weights(whole), weights(resumed))
    assert (whole.top1, whole.history) == (resumed.top1, resumed.history)


def test_the_final_norms_are_of_the_averaged_weights(net, dataset):
    trained = train(net, dataset, RECIPE)
    conv, norm = trained.module[0].conv, trained.module[0].conv_norm
    with torch.no_grad():
        seen = conv(dataset.normalise(dataset.train.images))
    torch.testing.assert_close(norm.running_mean, seen.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert 0.5 < (norm.running_var / seen.var((0, 2, 3))).mean() < 1  # within batches, so without what is between


def test_the_weights_are_the_average_over_the_updates(net, dataset, monkeypatch):
    raw = []
    update = ModelEmaV3.update
    monkeypatch.setattr(
        ModelEmaV3,
        "update",
        lambda ema, module, step: (raw.append(copy.deepcopy(module[0].conv.weight)), update(ema, module, step)),
    )
    trained = train(net, dataset, RECIPE.model_copy(update={"ema": 0.5}))
    average = raw[0]
    for step, weight in enumerate(raw[1:], start=2):
        decay = min(0.5, 1 - step ** (-2 / 3))
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(trained.module[0].conv.weight, average, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("change", ["net", "recipe", "seed", "data"])
def test_the_checkpoint_of_another_run_is_refused(net, dataset, tmp_path, change):
    checkpoint = tmp_path / "state"
    train(net, dataset, RECIPE, 1, checkpoint)
    before = checkpoint.read_bytes()
    given = {"net": net, "dataset": dataset, "recipe": RECIPE, "seed": 1}
    given |= {
        "net": {"net": Net(net.blocks[:1] + net.blocks[2:])},
        "recipe": {"recipe": RECIPE.model_copy(update={"lr": 1e-4})},
        "seed": {"seed": 2},
        "data": {"dataset": replace(dataset, train=dataset.test, test=dataset.train)},
    }[change]
    with refused("training.other-run", path=checkpoint):
        train(**given, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before


def test_a_truncated_checkpoint_is_refused(net, dataset, tmp_path):
    checkpoint = tmp_path / "state"
    train(net, dataset, RECIPE, 1, checkpoint)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with refused("state.damaged"):
        train(net, dataset, RECIPE, 1, checkpoint)


def test_a_loss_that_is_no_number_is_named(net, dataset):
    with refused("training.diverged", DivergedError, epoch=1, step=1):
        train(net, dataset, Recipe(epochs=2, batch_size=8, optimizer="sgd", lr=1e30, warmup=0))


class DivergingRecipe(Recipe):
    """Its loss is no number in the second epoch of six updates."""

    def make_loss(self):
        smoothed, calls = super().make_loss(), []

        class Loss(torch.nn.Module):
            def forward(self, logits, labels):
                calls.append(None)
                return smoothed(logits, labels) * (float("nan") if len(calls) > 8 else 1)

        return Loss()


def test_the_checkpoint_of_the_last_good_epoch_outlives_a_divergence(net, dataset, tmp_path):
    checkpoint = tmp_path / "state"
    with refused("training.diverged", DivergedError, epoch=2, step=8) as refusal:
        train(net, dataset, DivergingRecipe(epochs=3, batch_size=8), 1, checkpoint)
    assert 0 < refusal.error.fields["lr"] <= Recipe().lr
    state = load_state(checkpoint)
    assert len(state["history"]) == 1
    assert all(torch.isfinite(value).all() for value in state["module"].values())


def test_the_checkpoint_of_another_class_of_recipes_is_of_another_run(net, dataset, tmp_path):
    checkpoint = tmp_path / "state"
    train(net, dataset, RECIPE, 1, checkpoint)
    with refused("training.other-run"):
        train(net, dataset, DivergingRecipe(**RECIPE.model_dump()), 1, checkpoint)


def test_weight_decay_is_for_weights_only(net):
    module = build(net, 0)
    groups = [group for group in Recipe().make_optimizer(module).param_groups if group["weight_decay"]]
    decayed = {id(value) for group in groups for value in group["params"]}
    for name, value in module.named_parameters():
        assert (id(value) in decayed) == (value.ndim > 1), name


def test_the_learning_rate_rises_then_falls_to_nothing(net):
    recipe = Recipe(warmup=0.2)
    optimizer = recipe.make_optimizer(build(net, 0))
    schedule = recipe.make_schedule(optimizer, 100)
    rates = []
    for step in range(100):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:20] == sorted(rates[:20])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert max(rates) == pytest.approx(recipe.lr, rel=0.1)
    assert rates[-1] < 0.01 * recipe.lr


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"batch_size": 1}, {"lr": 0}, {"ema": 1}, {"warmup": -1}, {"weight_decay": -1}, {"moment": 1}],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong):
    code = "config.unknown" if "moment" in wrong else "config.value"
    with refused(code, key=next(iter(wrong))):
        Recipe.parse(wrong)


FULL = Recipe(
    epochs=2, batch_size=8, accumulation=2, clip=1.0, dropout=0.2, drop_path=0.5, mirror=True, shift=0.25, mixup=0.2,
    cutmix=1.0, policy="rand-m5", erasing=0.3, optimizer="rmsproptf", eps=1e-3, schedule="step", lr=1e-3,
)  # fmt: skip
"""Everything that a recipe can do at once."""


def test_any_update_can_be_the_last_before_a_kill(net, dataset, tmp_path):
    whole = train(net, dataset, FULL, 1, validation=dataset.test)
    checkpoint, done = tmp_path / "state", []
    for update in (2, 3, 6, 9):
        with pytest.raises(KilledError):
            train(net, dataset, FULL, 1, checkpoint, killed_at(update + 1), validation=dataset.test, every_seconds=0)
        done.append(load_state(checkpoint)["step"])
    resumed = train(net, dataset, FULL, 1, checkpoint, validation=dataset.test, every_seconds=0)
    assert done == [2, 3, 6, 9]
    assert equal(weights(whole), weights(resumed))
    assert (whole.test, whole.history, whole.validation) == (resumed.test, resumed.history, resumed.validation)
    assert whole.validation_history == resumed.validation_history


def test_between_checkpoints_pass_as_many_seconds_as_told(net, dataset, tmp_path):
    with pytest.raises(KilledError):
        train(net, dataset, RECIPE, 1, tmp_path / "state", killed_at(5), every_seconds=3600)
    assert not (tmp_path / "state").exists()


def test_the_best_epoch_by_validation_is_kept_and_the_last_beside_it(net, dataset, monkeypatch):
    found = iter([0.4, 0.9, 0.9, 0.5, 0.7, 0.8])  # of four epochs, of the kept weights on test, and on validation
    measured = []

    def pretend(module, split, dataset):
        measured.append((split, module[0].conv.weight.detach().clone()))
        return replace(metrics, top1=next(found))

    metrics = train(net, dataset, RECIPE).test
    monkeypatch.setattr("hwnas.training.loop.measure", pretend)
    trained = train(net, dataset, RECIPE.model_copy(update={"epochs": 4}), validation=dataset.val or dataset.test)
    assert trained.validation_history == [0.4, 0.9, 0.9, 0.5]
    assert (trained.epoch, trained.used["kept"]) == (3, "best by validation")  # of two that are as good the later
    assert torch.equal(trained.module[0].conv.weight, measured[2][1])
    assert torch.equal(trained.last["0.conv.weight"], measured[3][1])
    assert trained.last["0.conv_norm.running_mean"].abs().sum() > 0


def test_parts_of_a_batch_give_the_gradients_of_the_whole(net, dataset):
    images, labels = Batches(dataset.train, dataset, 16, seed=0)(0)
    gradients = []
    for parts in (1, 4):
        module = build(net, 0)
        trainee = Trainee(module, Recipe(batch_size=16, accumulation=parts, optimizer="sgd", lr=1.0), 10, 0)
        trainee.module.eval()  # statistics are of parts; without them the sum is exact
        trainee.update(5, images, labels)
        gradients.append([value.grad for value in module.parameters()])
    torch.testing.assert_close(*gradients)


def test_gradients_are_clipped_to_a_norm(net, dataset):
    images, labels = Batches(dataset.train, dataset, 16, seed=0)(0)
    trainee = Trainee(build(net, 0), Recipe(batch_size=16, clip=1e-3), 10, 0)
    trainee.update(5, images, labels)
    norm = torch.stack([value.grad.norm() for value in trainee.module.parameters()]).norm()
    assert norm.item() == pytest.approx(1e-3, rel=1e-3)


def test_bfloat16_trains_about_the_same_weights(net, dataset):
    first, other = (train(net, dataset, RECIPE.model_copy(update={"precision": p})) for p in ("float32", "bfloat16"))
    assert other.used["precision"] == "bfloat16"
    assert first.history[-1] != other.history[-1]
    assert first.history[-1] == pytest.approx(other.history[-1], abs=0.1)


def test_a_step_schedule_is_a_staircase_after_its_warm_up_in_epochs(net):
    recipe = Recipe(epochs=10, schedule="step", lr=1.0, decay_rate=0.5, decay_epochs=2.5, warmup_epochs=1)
    optimizer = recipe.make_optimizer(build(net, 0))
    schedule = recipe.make_schedule(optimizer, 100)
    rates = []
    for step in range(100):
        schedule.step_update(step)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates[:11] == pytest.approx([step / 10 for step in range(10)] + [1.0])
    assert rates[10:] == pytest.approx([0.5 ** (step // 25) for step in range(10, 100)])


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"optimizer": "adamv"}, "training.optimizer"),
        ({"optimizer": "sgd", "betas": (0.9, 0.99)}, "training.optimizer-setting"),
        ({"policy": "rand-nonsense"}, "training.policy"),
        ({"policy": "sometimes"}, "training.policy"),
    ],
)
def test_what_timm_does_not_have_is_named(net, dataset, wrong, code):
    with refused(code):
        train(net, dataset, RECIPE.model_copy(update=wrong))


def test_rows_that_ranks_cannot_share_evenly_are_refused(net, dataset):
    with refused("training.uneven-batch", batch_size=8, ranks=3):
        train(net, dataset, RECIPE, ranks=Ranks(0, 3))
    with refused("training.uneven-batch", ranks=4):  # of two rows each, and no pairs for two parts
        train(net, dataset, RECIPE.model_copy(update={"mixup": 0.1, "accumulation": 2}), ranks=Ranks(0, 4))


def test_processes_make_what_is_augmented_and_leave_random_numbers_alone(net, dataset):
    before = torch.get_rng_state(), random.getstate()
    seen = []
    processes = train(net, dataset, FULL, 1, report=lambda *_: seen.append(len(multiprocessing.active_children())))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert min(seen) >= 1
    loop = Loop(build(net, 1), dataset, FULL, 1)
    loop.run(loop.batches)  # made between the steps, in this process
    assert equal(weights(processes), loop.result().module.state_dict())
    assert (torch.equal(torch.get_rng_state(), before[0]), random.getstate() == before[1]) == (True, True)
