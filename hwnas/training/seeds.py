"""Random numbers as a function of a key, such as (seed, step), so that no state of them has to be kept."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_all(*key: int) -> None:
    """Have the random numbers of Python, numpy and torch (on the CPU) depend on `key` alone from here on."""
    for_python, for_numpy, for_torch = np.random.SeedSequence(key).generate_state(3).tolist()
    random.seed(for_python)
    np.random.seed(for_numpy)
    torch.default_generator.manual_seed(for_torch)


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Leave the random numbers of Python, numpy and torch (on the CPU) as they were before the body."""
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])


@contextmanager
def torch_seeded(device: torch.device, *key: int) -> Iterator[None]:
    """Have torch's random numbers in the body, on the CPU and on `device`, depend on `key` alone, and be as they were
    afterwards."""
    gpus = [device] if device.type == "cuda" else []
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(seed)
        if gpus:
            torch.cuda.manual_seed(seed)
        yield
