import signal
import threading
import time
from contextlib import nullcontext

import pytest
import torch

from hwnas.errors import InputError
from hwnas.training.batches import Batches
from hwnas.training.prefetch import AHEAD, Prefetched


def names():
    """The running threads that make batches."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("batches")]


class Counted:
    """Batches of the number of the step, which notes what is asked for, by which thread; `wrong` raises."""

    def __init__(self, wrong=None):
        self.asked, self.threads, self.wrong = [], set(), wrong

    def __call__(self, step):
        self.asked.append(step)
        self.threads.add(threading.current_thread().name)
        if step == self.wrong:
            raise InputError(f"no image for step {step}")
        return torch.full((2, 3, 1, 1), float(step)), torch.full((2,), step)


def settled(counted, count):
    """What was asked for, once there is `count` of it and no more comes."""
    deadline = time.monotonic() + 10
    while len(counted.asked) < count and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    return counted.asked


@pytest.mark.parametrize("steps", [range(12), [5, 6, 7], [3, 3, 4, 2, 9, 10, 0, 1]])
def test_the_batches_are_the_same_in_any_order_with_and_without_the_thread(dataset, steps):
    batches = Batches(dataset.train, dataset, 10, seed=3, shift=1 / 8)
    expected = [Batches(dataset.train, dataset, 10, seed=3, shift=1 / 8)(step) for step in steps]
    with Prefetched(batches) as prefetched:
        ahead = [prefetched(step) for step in steps]
    for found in (ahead, [prefetched(step) for step in steps]):
        for (images, labels), (wanted, classes) in zip(found, expected, strict=True):
            assert torch.equal(images, wanted)
            assert torch.equal(labels, classes)
            assert images.is_contiguous(memory_format=torch.channels_last)


def test_the_next_batches_are_made_meanwhile_and_no_more():
    counted = Counted()
    with Prefetched(counted) as prefetched:
        prefetched(7)
        assert settled(counted, 1 + AHEAD) == [7, *range(8, 8 + AHEAD)]
        prefetched(8)
        assert settled(counted, 2 + AHEAD) == [*range(7, 9 + AHEAD)]  # each once
    assert counted.threads == {"batches_0"}


def test_a_step_does_not_wait_for_a_batch_that_is_ready():
    may = threading.Event()

    def slow(step):
        assert step < 2 or may.wait(10)
        return torch.zeros(1), torch.zeros(1)

    with Prefetched(slow) as prefetched:
        prefetched(0)
        prefetched(1)  # while the thread is held up by the next
        may.set()


def test_an_error_is_raised_for_its_own_step_only_and_with_its_own_words():
    with Prefetched(Counted(wrong=2)) as prefetched:
        assert [prefetched(step)[1][0] for step in (0, 1)] == [0, 1]
        with pytest.raises(InputError):
            prefetched(2)
        assert prefetched(3)[1][0] == 3


@pytest.mark.parametrize("end", [None, KeyboardInterrupt, InputError])
def test_no_thread_is_left(end):
    with nullcontext() if end is None else pytest.raises(end), Prefetched(Counted()) as prefetched:
        prefetched(0)
        assert names()
        if end is not None:
            raise end("the end")
    assert not names()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no POSIX timers")
def test_ctrl_c_ends_the_wait_for_a_batch_which_can_be_asked_for_again():
    free = threading.Event()

    def held(step):
        assert free.wait(10)
        return torch.tensor(step), torch.tensor(step)

    def ring(signum, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    try:
        with Prefetched(held) as prefetched:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                prefetched(0)
            free.set()
            assert prefetched(0)[0] == 0
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not names()


def test_outside_of_with_there_is_no_thread():
    counted = Counted()
    prefetched = Prefetched(counted)
    assert prefetched(4)[1][0] == 4
    assert counted.asked == [4]
    assert counted.threads == {threading.current_thread().name}


def test_batches_go_to_the_device():
    with Prefetched(Counted(), "meta") as prefetched:  # a device that every machine has
        images, labels = prefetched(0)
    assert (images.device.type, labels.device.type) == ("meta", "meta")
