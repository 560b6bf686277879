"""A search of moments, which any number of ranks can share: random images, made-up latencies.

torchrun --nproc-per-node 2 small_search.py CHECKPOINT FOLDER
"""

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hwnas.nn.accelerator import pick
from hwnas.nn.ranks import Ranks, process_group
from hwnas.nn.state import save_state
from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies import objectives
from hwnas.strategies.limit import Limit
from hwnas.strategies.loops import LearnerSetup, Schedule, SharedLoop
from hwnas.strategies.relaxations.proxyless import ProxylessGradient

COSTS = torch.tensor([[0.3, 0.9, 0.0], [0.2, 0.7, 0.0]])
BATCH = 8
SCHEDULE = Schedule(warmup_steps=2, steps=10, batch_size=BATCH, synchronised=True)


def space() -> SearchSpace:
    """Two slots of two MBConvs and a skip, on 8×8 images."""
    convs = [Block("mbconv", 8, 8, 8, 8, k, 1, e, act="relu6", residual=True) for k, e in ((3, 2), (5, 3))]
    slot = Slot((*convs, Block("skip", 8, 8, 8, 8)))
    return SearchSpace(
        "small", (Block("conv", 3, 8, 8, 8, 3, act="relu6"), slot, slot, Block("classifier", 8, 5, 8, 8))
    )


class LinearCost:
    """0.1 ms and the cost of each candidate."""

    def expected(self, probs):
        return 0.1 + (probs * COSTS).sum()

    def cost(self, archs):
        return np.array([0.1 + float(COSTS[torch.arange(2), list(arch)].sum()) for arch in archs])


def batches(kind: int, rows: slice):
    """Each step's `rows` of eight random images, of another sort for each `kind`."""

    def batch(step):
        generator = torch.Generator().manual_seed(2 * step + kind)
        images = torch.randn(BATCH, 3, 8, 8, generator=generator)
        return images[rows], torch.randint(5, (BATCH,), generator=generator)[rows]

    return batch


def loop_of(
    ranks: Ranks,
    schedule: Schedule = SCHEDULE,
    kind: Callable = ProxylessGradient,
    objective=None,
    constants=None,
    **options: Any,
) -> SharedLoop:
    """The same loop on any number of ranks. No candidate is at rest, and no two channels are alike."""
    supernet = Supernet(space(), seed=0)
    generator = torch.Generator().manual_seed(0)
    for value in supernet.parameters():
        value.data += 0.1 * torch.randn(value.shape, generator=generator)
    constants = kind.constants.parse({"lr": 0.2, **(constants or {})})
    learner = kind(space(), Limit.none(space()), constants, seed=0, budget=schedule.arch_steps)
    setup = LearnerSetup(learner, objective or objectives.loss("lagrangian"), LinearCost(), 1.0, batches(1, ranks.rows))
    return SharedLoop(supernet, setup, schedule, batches(0, ranks.rows), ranks=ranks, **options)


def until(ranks: Ranks, checkpoint: Path, stop: int | None = None) -> dict[str, Any]:
    """Go on from `checkpoint` to the end, or until Ctrl-C on the last rank after step `stop`; the state then, but for
    the seconds that it took."""

    def report(done: int, text: str) -> None:
        if done == stop and ranks.rank == ranks.size - 1:
            signal.raise_signal(signal.SIGINT)

    loop = loop_of(ranks)
    with suppress(KeyboardInterrupt):
        loop.run(checkpoint, report)
    kept = {name: part for name, part in loop.state_dict().items() if name not in ("seconds", "own")}
    return {**kept, "best": loop.setup.learner.best()}


if __name__ == "__main__":
    with process_group(pick()) as ranks:
        save_state(Path(sys.argv[2]) / f"rank{ranks.rank}", until(ranks, Path(sys.argv[1])))
