"""Shared weights of moments: a space, images, latencies, and learners that are as simple as can be."""

import numpy as np
import torch

from hwnas.nn.supernet import Gate, Supernet, one_hot
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.base import TrainingPaths
from hwnas.strategies.loops import LearnerSetup, Schedule, SharedLoop
from hwnas.strategies.objectives import loss

SHORT = Schedule(warmup_steps=4, steps=8, weight_steps_per_arch_step=2, batch_size=4, checkpoint_seconds=0)
JOINT = SHORT.model_copy(update={"weight_steps_per_arch_step": 1})
COSTS = torch.tensor([[0.3, 0.5, 0.9, 0.0], [0.2, 0.6, 0.7, 0.0], [0.4, 0.5, 1.0, 0.0]])


def small_space() -> SearchSpace:
    """Three slots of three MBConvs and a skip, on 8×8 images."""
    convs = [Block("mbconv", 8, 8, 8, 8, k, 1, e, act="relu6", residual=True) for k, e in ((3, 2), (5, 3), (7, 1))]
    slot = Slot((*convs, Block("skip", 8, 8, 8, 8)))
    return SearchSpace(
        "small", (Block("conv", 3, 8, 8, 8, 3, act="relu6"), *[slot] * 3, Block("classifier", 8, 5, 8, 8))
    )


def small_supernet(seed: int = 0) -> Supernet:
    """Of `small_space`; residual blocks begin as the identity, with gradients of 0, and here they do not."""
    supernet = Supernet(small_space(), seed)
    for name, value in supernet.named_parameters():
        if "project.norm" in name:
            value.data.fill_(1.0)
    return supernet


class LinearCost:
    """0.1 ms and the cost of each candidate."""

    def expected(self, probs):
        return 0.1 + (probs * COSTS).sum()

    def cost(self, archs):
        return np.array([0.1 + sum(float(COSTS[slot, index]) for slot, index in enumerate(arch)) for arch in archs])


def batches(kind, log=None):
    """Four random images for each step, another four for each kind; what is asked for is noted in `log`."""

    def batch(step):
        if log is not None:
            log.append(f"{kind} {step}")
        generator = torch.Generator().manual_seed(2 * step + (kind == "validation"))
        return torch.randn(4, 3, 8, 8, generator=generator), torch.randint(5, (4,), generator=generator)

    return batch


class Softmax:
    """The mean of all paths, weighted by a softmax of one parameter each; `look` sees what every step is given."""

    def __init__(self, seed=0, lr=0.2, single_level=False, look=lambda step: None):
        self.single_level, self.single_process, self.look = single_level, False, look
        self.generator = torch.Generator().manual_seed(seed)
        self.alpha = (1e-3 * torch.randn(3, 4, generator=self.generator)).requires_grad_()
        self.optimizer = torch.optim.Adam([self.alpha], lr)

    def distribution(self):
        return self.alpha.detach().softmax(1)

    def path(self):
        return tuple(torch.multinomial(self.distribution(), 1, generator=self.generator)[:, 0].tolist())

    def training_paths(self, progress):
        return TrainingPaths((one_hot(self.path()),))

    def learn(self, step):
        self.look(step)
        probs = self.alpha.softmax(1)
        total = step.with_latency(step.loss([Gate((0, 1, 2, 3), row, "weighted") for row in probs.unbind()]), probs)
        self.optimizer.zero_grad()
        total.backward() if self.single_level else total.backward(inputs=[self.alpha])
        self.optimizer.step()
        return []

    def state_dict(self):
        return {"alpha": self.alpha.detach(), "optimizer": self.optimizer.state_dict(),
                "generator": self.generator.get_state()}  # fmt: skip

    def load_state_dict(self, state):
        self.alpha.data.copy_(state["alpha"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])


class Sampled(Softmax):
    """Three paths judged by their rewards, and nothing learnt but which was the best."""

    def learn(self, step):
        self.look(step)
        found = [(arch, step.reward(arch)) for arch in (self.path() for _ in range(3))]
        arch, _ = max(found, key=lambda pair: pair[1])
        with torch.no_grad():
            self.alpha[torch.arange(3), list(arch)] += 0.1
        return found


def loop_of(schedule, *, learner=None, seed=0, target_ms=1.0, log=None, objective=None, **options):
    """A loop of the small space; by default of `Softmax`, held to `target_ms`."""
    setup = LearnerSetup(
        learner or Softmax(seed), objective or loss("lagrangian"), LinearCost(), target_ms, batches("validation", log)
    )
    return SharedLoop(small_supernet(seed), setup, schedule, batches("training", log), **options)


def one_shot(kind, schedule=SHORT, seed=0):
    """A loop of lessons alone: another `seed` is of the first weights, not of the lessons."""
    path_sampler = kind(small_space(), kind.constants(), seed=0)
    supernet = path_sampler.supernet()
    for value in supernet.parameters():
        torch.nn.init.normal_(value, 0.5, 0.3, generator=torch.Generator().manual_seed(seed))
    return SharedLoop(supernet, path_sampler, schedule, batches("training"))


def run(loop, path, report=lambda done, text: None):
    """`loop` at its end; `path` is its checkpoint."""
    loop.run(path, report)
    return loop


def weights(loop):
    """A copy of the shared weights, by name."""
    return {name: value.clone() for name, value in loop.supernet.named_parameters()}


def moved(loop, before):
    """The names of those that are not as in `before`."""
    return {name for name, value in loop.supernet.named_parameters() if not torch.equal(value, before[name])}
