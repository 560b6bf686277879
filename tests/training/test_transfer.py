"""Trained weights to begin with, what of them stays as it is, and a teacher."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from hwnas.nn.build import build
from hwnas.space.net import Block
from hwnas.testing import refused
from hwnas.training import initial
from hwnas.training import teacher as teachers
from hwnas.training.beginnings import Origins
from hwnas.training.loop import Loop
from hwnas.training.origins import Taught
from hwnas.training.recipe import Recipe
from hwnas.training.teacher import Teacher, distillation_loss, distilled
from hwnas.training.train import train

RECIPE = Recipe(epochs=1, batch_size=8)


def awakened(net, seed=1):
    """A network of which no weight and no statistic is at rest."""
    module = build(net, seed)
    generator = torch.Generator().manual_seed(seed)
    for value in module.state_dict().values():
        if value.is_floating_point():
            value += 0.2 * torch.rand(value.shape, generator=generator)
    return module.eval()


def never(*arguments):
    raise AssertionError("no search is asked")


@pytest.fixture
def weights(net, tmp_path):
    """A file of weights of the network, and the module that has them."""
    module = awakened(net)
    save_file({name: value.contiguous() for name, value in module.state_dict().items()}, tmp_path / "w.safetensors")
    return tmp_path / "w.safetensors", module


@pytest.fixture
def begun(net, weights):
    return Origins(initial.find(str(weights[0]), net, None, never))


def test_training_begins_with_the_weights_and_says_so(net, dataset, weights, begun, tmp_path):
    slow = RECIPE.model_copy(update={"lr": 1e-9, "ema": 0})
    trained = train(net, dataset, slow, origins=begun)
    for name, value in weights[1].named_parameters():
        torch.testing.assert_close(trained.module.state_dict()[name], value, rtol=1e-4, atol=1e-4)
    said = trained.begun
    assert (said.source, said.kind, said.new, said.loaded) == (
        "w.safetensors",
        "file",
        (),
        len(build(net).state_dict()),
    )
    state = tmp_path / "state"
    train(net, dataset, RECIPE, checkpoint=state, origins=begun)
    with refused("training.other-run"):
        train(net, dataset, RECIPE, checkpoint=state)


@pytest.mark.parametrize(("freeze", "blocks"), [(1, 1), ("body", 2)])
def test_frozen_blocks_stay_as_they_began_with_their_statistics(net, dataset, weights, begun, freeze, blocks):
    module = train(net, dataset, RECIPE.model_copy(update={"freeze": freeze}), origins=begun).module
    changed = {name.split(".")[0] for name, value in module.state_dict().items()
               if not torch.equal(value, weights[1].state_dict()[name])}  # fmt: skip
    assert changed == {str(index) for index in range(blocks, 3)}


def test_frozen_norms_keep_their_statistics_while_weights_move(net, dataset, weights, begun):
    module = train(net, dataset, RECIPE.model_copy(update={"norms": "frozen"}), origins=begun).module
    before, after = weights[1].state_dict(), module.state_dict()
    statistics = [name for name in before if "running" in name]
    assert all(torch.equal(before[name], after[name]) for name in statistics)
    assert not torch.equal(before["0.conv.weight"], after["0.conv.weight"])


@pytest.mark.parametrize(
    ("change", "code"), [({"freeze": 3}, "training.freeze"), ({"norms": "frozen"}, "training.nothing-to-keep")]
)
def test_what_leaves_nothing_to_train_or_to_keep_is_refused(net, dataset, change, code):
    with refused(code):
        train(net, dataset, RECIPE.model_copy(update=change))


def test_the_body_learns_at_a_lower_rate_the_lower_the_further_from_the_classifier(net, dataset):
    recipe = RECIPE.model_copy(update={"body_lr": 0.1, "layer_decay": 0.5, "lr": 0.4, "warmup": 0})
    loop = Loop(build(net, 0), dataset, recipe, 0)
    loop.trainee.update(0, *loop.batches(0))
    names = {parameter: name for name, parameter in loop.trainee.module.named_parameters()}
    rates = {
        (names[parameter].split(".")[0], group["lr"], group["weight_decay"] > 0)
        for group in loop.trainee.optimizer.param_groups
        for parameter in group["params"]
    }
    expected = {"2": 0.4, "1": 0.4 * 0.1 * 0.5, "0": 0.4 * 0.1 * 0.25}
    assert {(block, decays) for block, _, decays in rates} == {(block, decays) for block in "012" for decays in (0, 1)}
    assert all(rate == pytest.approx(expected[block]) for block, rate, _ in rates)


def taught(resolution=8):
    return Taught("t", "file", "0", 1, resolution)


def test_a_teacher_sees_the_same_images_by_its_own_normalisation_and_size(dataset):
    images = dataset.normalise(dataset.train.fitted(torch.arange(4).numpy()))
    own = ((0.5, 0.4, 0.3), (0.1, 0.2, 0.3))
    seen = []
    teacher = Teacher(torch.nn.Flatten(), dataset, taught(16), own)
    teacher.module.register_forward_hook(lambda module, given, found: seen.append(given[0]))
    teacher(images)
    pixels = dataset.train.fitted(torch.arange(4).numpy()) / 255
    expected = (pixels - torch.tensor(own[0])[:, None, None]) / torch.tensor(own[1])[:, None, None]
    expected = functional.interpolate(expected, (16, 16), mode="bilinear", antialias=True)
    torch.testing.assert_close(seen[0], expected, rtol=1e-4, atol=1e-4)


def test_distillation_is_the_divergence_at_a_temperature_or_the_teachers_class():
    student, teacher = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    wanted, found = ((logits / 3).softmax(1) for logits in (teacher, student))
    expected = (wanted * (wanted / found).log()).sum(1).mean() * 9
    found = distillation_loss(student, teacher, "logits", 3)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    hard = functional.cross_entropy(student, teacher.argmax(1))
    assert torch.equal(distillation_loss(student, teacher, "hard", 3), hard)


def test_a_student_learns_of_its_teacher_by_the_share_that_is_told(net, dataset):
    module = awakened(net)
    recipe = RECIPE.model_copy(update={"teacher_share": 0.25, "distillation": "hard"})
    images, labels = Loop(build(net, 0), dataset, recipe, 0).batches(0)
    logits = build(net, 0)(images)
    with torch.no_grad():
        answers = module(images).argmax(1)
    loss = distilled(recipe, Teacher(module, dataset, taught()))(images, logits, labels)
    expected = 0.75 * recipe.make_loss()(logits, labels) + 0.25 * functional.cross_entropy(logits, answers)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    assert all(parameter.grad is None for parameter in module.parameters())


def test_a_student_that_only_listens_comes_to_answer_like_its_teacher(net, dataset, weights):
    teacher = teachers.find(str(weights[0]), net, dataset, None, never)
    recipe = RECIPE.model_copy(update={"epochs": 12, "teacher_share": 1, "temperature": 1, "lr": 2e-2})
    images = dataset.normalise(dataset.test.fitted(torch.arange(24).numpy()))

    def distance(module):
        with torch.no_grad():
            return distillation_loss(module(images), teacher(images), "logits", 1).item()

    alone = train(net, dataset, recipe).module
    assert distance(train(net, dataset, recipe, origins=Origins(teacher=teacher)).module) < distance(alone)


def test_a_teacher_of_other_classes_is_refused(net, dataset, tmp_path):
    *body, last = net.blocks
    other = build(replace(net, blocks=(*body, Block("classifier", last.cin, 4, 8, 8))), 0)
    torch.save(other.state_dict(), tmp_path / "w.pth")
    with refused("training.teacher-classes", classes=4):
        teachers.find(str(tmp_path / "w.pth"), net, dataset, None, never)


@pytest.mark.parametrize(
    ("what", "code"),
    [("nowhere", "initial.unknown"), ("supernet", "initial.no-search"), ("timm:x", "weights.timm-name")],
)
def test_what_is_no_source_of_weights_is_refused(net, dataset, what, code):
    with refused(code):
        initial.find(what, net, None, never)
    with refused(code):
        teachers.find(what, net, dataset, None, never)
