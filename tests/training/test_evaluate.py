from dataclasses import replace

import torch
from torch import nn

from hwnas.nn.build import build
from hwnas.nn.supernet import resized
from hwnas.training.batches import Batches
from hwnas.training.evaluate import logits, recalibrate, top1


def test_recalibration_is_the_plain_mean_of_the_batches_statistics(dataset):
    module = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    batches = Batches(dataset.train, dataset, 16, seed=0, augment=False)
    with torch.no_grad():
        for _ in range(5):
            module(10 * torch.randn(8, 3, 8, 8))  # statistics of something else, to be forgotten
        outputs = [module[0](batches(step)[0]) for step in range(3)]
    recalibrate(module, batches, count=33)  # two batches are too few, so three
    norm = module[1]
    assert not module.training
    assert norm.momentum == 0.1
    mean = torch.stack([y.mean((0, 2, 3)) for y in outputs]).mean(0)
    variance = torch.stack([y.var((0, 2, 3)) for y in outputs]).mean(0)
    torch.testing.assert_close(norm.running_mean, mean)
    torch.testing.assert_close(norm.running_var, variance)


def test_recalibration_leaves_the_weights_alone(dataset, net):
    module = build(net, 0)
    before = [value.clone() for value in module.parameters()]
    recalibrate(module, Batches(dataset.train, dataset, 16, seed=0), 48)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_logits_are_of_eval_mode_and_leave_the_mode_as_it_was(dataset, net):
    module = build(net, 0).train()
    recalibrate(module, Batches(dataset.train, dataset, 16, seed=0), 48)
    expected = torch.cat([module(dataset.normalise(image[None])) for image in dataset.test.images])
    for training in (True, False):
        module.train(training)
        torch.testing.assert_close(logits(module, dataset.test, dataset), expected)
        assert module.training is training


def test_a_network_is_judged_at_its_own_resolution(dataset, net):
    blocks = tuple(replace(block, height=4, width=4) for block in net.blocks)
    batches = Batches(dataset.train, dataset, 16, seed=0, augment=False)
    module = recalibrate(build(replace(net, blocks=blocks), 0), batches, 48)
    stem, norm, *_ = module[0]
    with torch.no_grad():
        means = [stem(resized(batches(step)[0], 4)).mean((0, 2, 3)) for step in range(3)]
        expected = module(resized(dataset.normalise(dataset.test.images), 4))
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(logits(module, dataset.test, dataset), expected)


def test_top1_is_the_share_of_right_answers(dataset):
    class Oracle(nn.Module):
        def forward(self, x):
            return x.mean((2, 3)).flip(1)  # the brightest of blue, green, red

    right = top1(Oracle(), dataset.test, dataset)
    labels = dataset.test.labels
    answers = dataset.normalise(dataset.test.images).mean((2, 3)).flip(1).argmax(1)
    assert right == (answers == labels).sum().item() / 24
    assert right > 0.5
