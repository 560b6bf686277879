"""Children scored on streamed images: as those that are held in memory, to rounding."""

import numpy as np
import pytest
import torch
from test_inherited import elastic_space, every, plain_space
from torch import nn

from hwnas.nn.supernet import Supernet
from hwnas.training.data import load
from hwnas.training.inherited import Inherited
from hwnas.training.prefetch import Prefetched
from hwnas.training.reading import Reading
from hwnas.training.streamed_children import LEAST, PIXELS, StreamedChildren, calibration_count


@pytest.fixture
def streamed(images, monkeypatch):
    """Images that are decoded when they are needed, in this process."""
    monkeypatch.setattr("hwnas.training.loading.make_loader", lambda batches, images: Prefetched(batches, ahead=False))
    return load(images, 8, reading=Reading(stream=True))


@pytest.fixture
def make(streamed, awake):
    """A function of a space to a supernet of it, and of the images its BatchNorms take their statistics of."""
    calibration = streamed.train.fitted(np.arange(len(streamed.train)))

    def make_one(space):
        torch.manual_seed(0)
        return awake(Supernet(space, seed=1, sharing="collapsed")), calibration

    return make_one


@pytest.mark.parametrize("by", ["accuracy", "loss"])
@pytest.mark.parametrize("space", [plain_space(), elastic_space()], ids=["independent", "elastic"])
def test_they_score_as_children_in_memory_do(space, by, make, streamed):
    supernet, calibration = make(space)
    archs = every(space)[::5]
    scores = StreamedChildren(supernet, calibration, streamed.test, streamed, by)(archs)
    held = Inherited(supernet, calibration, streamed.test, streamed, by=by)(archs)
    assert scores == pytest.approx(held, abs=1e-5)
    assert by == "accuracy" or len(set(scores)) > 1, "they differ"


def test_statistics_are_of_all_parts_and_the_child_is_left_in_eval_mode(make, streamed, monkeypatch):
    supernet, calibration = make(plain_space())
    scorer = StreamedChildren(supernet, calibration, streamed.test, streamed)
    whole, parts = (supernet.extract((0, 1, 2)) for _ in range(2))
    scorer._calibrate(whole)
    monkeypatch.setattr("hwnas.training.streamed_children.PART", 8 * 8 * 12)
    scorer._calibrate(parts)
    first = [next(m for m in child.modules() if isinstance(m, nn.BatchNorm2d)) for child in (whole, parts)]
    assert [norm.num_batches_tracked.item() for norm in first] == [1, 2]
    torch.testing.assert_close(first[0].running_mean, first[1].running_mean)
    assert not any(module.training for module in parts.modules())


def test_large_images_are_fewer_but_never_under_the_least():
    assert calibration_count(10, 32) == 10
    assert calibration_count(10_000, 32) == PIXELS // 32**2
    assert calibration_count(10_000, 1024) == LEAST
