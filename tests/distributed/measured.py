"""What one rank, or one process alone, finds out: gradients of single steps, messages, refusals, and whole runs.

torchrun --nproc-per-node 2 measured.py FOLDER
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist
from small_search import loop_of, until

from hwnas.errors import InputError
from hwnas.nn import ranks as messages
from hwnas.nn.accelerator import pick
from hwnas.nn.ranks import Ranks, joined
from hwnas.nn.state import save_state

PATH = (0, 1)


@contextmanager
def sent():
    """The bytes of every message that is reduced in the body."""
    found, reduce = [], dist.all_reduce

    def noted(tensor, *args, **options):
        found.append(tensor.nbytes)
        return reduce(tensor, *args, **options)

    dist.all_reduce = noted
    try:
        yield found
    finally:
        dist.all_reduce = reduce


def weight_gradients(ranks, training):
    """The gradients of one path, by name, as a step's optimiser gets them; the loss; and what was sent."""
    loop = loop_of(ranks)
    loop.supernet.train(training)
    loop.strategy.path = lambda: PATH
    before = ranks.gradient_bytes
    with sent() as all_sent:
        loss = loop.weight_step(0)
    parameters = loop.supernet.named_parameters()
    gradients = {name: value.grad for name, value in parameters if value.grad is not None}
    return {"loss": loss, "gradients": gradients, "counted": ranks.gradient_bytes - before, "sent": all_sent}


def gate_gradient(ranks):
    """The gradient of α of one architecture step."""
    loop = loop_of(ranks)
    seen, step = [], loop.strategy.step
    loop.strategy.step = lambda loss: seen.append(float(loss.detach())) or step(loss)
    loop.arch_step(0)
    return {"loss": seen[0], "gradient": loop.strategy.alpha.grad}


def refusals(ranks):
    """How ranks end that do not agree, or of which one has a complaint."""

    def complain():
        with ranks.together():
            if ranks.rank == 1:
                raise InputError("no images here")

    found = []
    for attempt in (complain, lambda: ranks.agree("the path", ranks.rank), lambda: ranks.agree("the path", "same")):
        try:
            found.append(attempt() or "went on")
        except (InputError, SystemExit) as end:
            found.append(f"{type(end).__name__}: {end}")
    return found


def everything(ranks: Ranks):
    """The gradients; of several ranks also what they tell each other."""
    found = {
        "still": weight_gradients(ranks, training=False),
        "training": weight_gradients(ranks, training=True),
        "gates": gate_gradient(ranks),
    }
    if ranks.size > 1:
        messages.BUCKET = 2000
        found |= {
            "in buckets": weight_gradients(ranks, training=False),
            "refusals": refusals(ranks),
            "any": [ranks.any(ranks.rank == 1), ranks.any(False)],
            "same": ranks.same(ranks.rank),
            "gathered": ranks.gather(ranks.rank),
        }
    return found


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with joined(pick()) as ranks:
        found = everything(ranks)
        found["whole"] = until(ranks, folder / "whole")
        found["cut"] = until(ranks, folder / "cut", stop=4)
        save_state(folder / f"rank{ranks.rank}", found)
