"""What one rank, or one process alone, finds out: gradients of single steps, messages, refusals, and whole runs.

torchrun --nproc-per-node 2 measured.py FOLDER
"""

import sys
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.distributed as dist
from small_search import SCHEDULE, loop_of, until
from small_training import trained

from hwnas.errors import InputError
from hwnas.nn import ranks as messages
from hwnas.nn.accelerator import pick
from hwnas.nn.gates import Gate, one_hot
from hwnas.nn.ranks import Ranks, process_group
from hwnas.nn.state import save_state
from hwnas.strategies.base import TrainingPaths
from hwnas.strategies.objectives import reward
from hwnas.strategies.policies.proxyless_r import ProxylessReinforce
from hwnas.strategies.relaxations.snas import Snas

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
    loop.setup.learner.sample_path = lambda: PATH
    before = ranks.gradient_bytes
    with sent() as all_sent:
        loss = loop.weight_step(0)
    return {"loss": loss, "gradients": gradients(loop), "counted": ranks.gradient_bytes - before, "sent": all_sent}


def gradients(loop):
    """Those that the last step's optimiser got, by name."""
    return {name: value.grad for name, value in loop.supernet.named_parameters() if value.grad is not None}


def lesson_gradients(ranks):
    """The gradients of a lesson of two paths, of which the first is a mean of three."""
    loop = loop_of(ranks, SCHEDULE.model_copy(update={"weight_decay": 0.5}))
    mean = Gate((0, 1, 2), torch.full((3,), 1 / 3), "weighted")
    loop.setup.learner.training_paths = lambda progress: TrainingPaths(
        ((Gate((0,)), mean), one_hot((1, 0))), distil=True, decay_first=True
    )
    return {"loss": loop.weight_step(0), "gradients": gradients(loop)}


def joint_gradients(ranks):
    """The gradients of the weights and of α in a step of a single-level learner, before its own step."""
    loop = loop_of(ranks, kind=Snas)
    return {
        "loss": loop.joint_step(loop.setup, SCHEDULE.warmup_steps),
        "gradients": gradients(loop) | {"α": loop.setup.learner.alpha.grad},
    }


def rewards(ranks):
    """What a policy drew, and what each of that was worth; and what the history was told."""
    told = []
    loop = loop_of(
        ranks,
        kind=ProxylessReinforce,
        constants={"batch": 6},
        objective=reward("tunas"),
        history=lambda *row: told.append(row),
    )
    seen, learn = [], loop.setup.learner.learn
    loop.setup.learner.learn = lambda step: seen.extend(learn(step)) or seen
    loop.arch_step(loop.setup, 0)
    return {"seen": seen, "told": told}


def gate_gradient(ranks):
    """The gradient of α of one architecture step."""
    loop = loop_of(ranks)
    seen, descend = [], loop.setup.learner.descend
    loop.setup.learner.descend = lambda loss: seen.append(float(loss.detach())) or descend(loss)
    loop.arch_step(loop.setup, 0)
    return {"loss": seen[0], "gradient": loop.setup.learner.alpha.grad}


def refusals(ranks):
    """How ranks end that do not agree, or of which one has a complaint."""

    def complain():
        with ranks.share_errors():
            if ranks.rank == 1:
                raise InputError("no images here", code="data.none", count=0)

    found = []
    for attempt in (complain, lambda: ranks.agree("the path", ranks.rank), lambda: ranks.agree("the path", "same")):
        try:
            found.append(attempt() or "went on")
        except InputError as end:
            found.append([type(end).__name__, end.code, end.fields.get("rank"), str(end)])
    return found


def everything(ranks: Ranks):
    """The gradients; of several ranks also what they tell each other."""
    found = {
        "still": weight_gradients(ranks, training=False),
        "training": weight_gradients(ranks, training=True),
        "gates": gate_gradient(ranks),
        "lesson": lesson_gradients(ranks),
        "joint": joint_gradients(ranks),
        "rewards": rewards(ranks),
        "trained": trained(ranks),
        "mixed": trained(ranks, mixup=0.2, cutmix=1.0, clip=0),
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
    with process_group(pick()) as ranks:
        found = everything(ranks)
        found["whole"] = until(ranks, folder / "whole")
        found["cut"] = until(ranks, folder / "cut", stop=4)
        save_state(folder / f"rank{ranks.rank}", found)
