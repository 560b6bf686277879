"""Batches by worker processes: the same, in order, with errors in one line and no process left."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image

from hwnas.errors import InputError
from hwnas.testing import refused
from hwnas.training import loader
from hwnas.training.augment import make_batches
from hwnas.training.batches import Batches
from hwnas.training.data import load
from hwnas.training.loader import Loaded
from hwnas.training.loading import each_chunk, make_loader
from hwnas.training.prefetch import Prefetched
from hwnas.training.reading import Reading
from hwnas.training.recipe import Recipe


class Numbered:
    """Batches of the number of the step; of some steps an error, or the end of the process."""

    def __init__(self, wrong=None, strange=None, deadly=None):
        self.wrong, self.strange, self.deadly = wrong, strange, deadly

    def __call__(self, step):
        if step == self.wrong:
            raise InputError(f"no image for step {step}", code="data.image", step=step)
        if step == self.strange:
            raise ZeroDivisionError("by zero")
        if step == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.full((2, 3, 1, 1), float(step)), torch.full((2,), step)


def left():
    """The processes that are still there after a while."""
    deadline = time.monotonic() + 10
    while multiprocessing.active_children() and time.monotonic() < deadline:
        time.sleep(0.01)
    return multiprocessing.active_children()


@pytest.mark.parametrize("roomy", [True, False])
def test_steps_come_in_order_from_any_start(monkeypatch, roomy):
    monkeypatch.setattr(loader, "ROOMY", 0 if roomy else 2**62)
    with Loaded(Numbered(), workers=2) as loaded:
        found = [loaded(step)[1].tolist() for step in (0, 1, 2, 7, 8, 3, 3)]
        assert len(multiprocessing.active_children()) == 2
    assert found == [[step, step] for step in (0, 1, 2, 7, 8, 3, 3)]
    assert not left()
    assert loaded(4)[1].tolist() == [4, 4], "outside of with, in this process"


def test_an_error_is_that_of_its_step_and_the_others_come():
    with Loaded(Numbered(wrong=1, strange=3), workers=1) as loaded:
        assert loaded(0)[1][0] == 0
        with refused("data.image", step=1):
            loaded(1)
        assert loaded(2)[1][0] == 2
        with refused("data.batch", step=3):
            loaded(3)
    assert not left()


def test_a_process_that_is_killed_is_one_line():
    with refused("data.worker-died", workers=1), Loaded(Numbered(deadly=2), workers=1) as loaded:
        for step in range(4):
            loaded(step)
    assert not left()


def test_ctrl_c_leaves_no_process():
    def interrupted():
        with Loaded(Numbered(), workers=2) as loaded:
            loaded(0)
            for process in multiprocessing.active_children():
                os.kill(process.pid, signal.SIGINT)  # as a terminal does
            assert loaded(1)[1][0] == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not left()


@pytest.fixture
def streamed(images):
    return load(images, 8, reading=Reading(stream=True))


def test_streamed_images_are_made_by_processes_and_others_by_a_thread(streamed, dataset):
    batches = Batches(streamed.train, streamed, 4, seed=3, shift=1 / 8)
    made = make_loader(batches, streamed.train)
    assert isinstance(made, Loaded)
    assert isinstance(make_loader(Numbered(), dataset.train), Prefetched)
    with made:
        for step in (0, 1, 9):
            images, labels = made(step)
            assert torch.equal(images, batches(step)[0])
            assert torch.equal(labels, batches(step)[1])


def test_augmented_batches_are_made_by_processes_or_between_the_steps_never_by_a_thread(dataset, monkeypatch):
    """timm draws from random numbers of the whole process, which the step beside a thread draws from too."""
    batches = make_batches(dataset.train, dataset, Recipe(batch_size=8, erasing=0.5), 3, slice(None))
    monkeypatch.setattr("sys.platform", "linux")
    assert isinstance(make_loader(batches, dataset.train), Loaded)
    monkeypatch.setattr("sys.platform", "darwin")  # where processes would import the caller's program
    made = make_loader(batches, dataset.train)
    with made:
        images, labels = made(1)
        assert made._thread is None
    assert torch.equal(images, batches(1)[0])
    assert torch.equal(labels, batches(1)[1])


def test_chunks_are_all_images_in_order(streamed):
    found = list(each_chunk(streamed.train, 5))
    assert [len(part) for part in found] == [5, 5, 5, 5, 4]
    assert torch.equal(torch.cat(found), streamed.train.fitted(np.arange(24)))
    assert not left()


def test_a_damaged_image_of_a_batch_is_named(images, monkeypatch):
    Image.new("RGB", (9, 9)).save(images / "red" / "0.png")
    streamed = load(images, 8, reading=Reading(stream=True))
    for path in (images / "red").iterdir():
        path.write_text("damaged")
    with (
        Loaded(Batches(streamed.train, streamed, 24, seed=0, augment=False), workers=1) as loaded,
        refused("data.bad-images"),
    ):
        loaded(0)
