import copy
import threading
from dataclasses import replace

import pytest
import torch
from timm.utils import ModelEmaV3

from hwnas.errors import DivergedError
from hwnas.nn.build import build
from hwnas.nn.state import load_state
from hwnas.space.net import Net
from hwnas.testing import refused
from hwnas.training.recipe import Recipe
from hwnas.training.train import train

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
    assert updates[0] == 1 + 6 * ((update - 1) // 6)
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
    with refused("training.diverged", DivergedError, epoch=1):
        train(net, dataset, Recipe(epochs=2, batch_size=8, optimizer="sgd", lr=1e30))


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
    with refused("training.diverged", DivergedError, epoch=2) as refusal:
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
    [{"epochs": 0}, {"batch_size": 1}, {"lr": 0}, {"ema": 1}, {"warmup": -1}, {"weight_decay": -1}, {"momentum": 1}],
)
def test_a_recipe_that_cannot_be_followed_is_refused(wrong):
    code = "config.unknown" if "momentum" in wrong else "config.value"
    with refused(code, key=next(iter(wrong))):
        Recipe.parse(wrong)
