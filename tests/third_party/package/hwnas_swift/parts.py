"""A space, a strategy and an objective."""

from pydantic import Field

from hwnas.space.net import Block
from hwnas.space.space import Choice, Elastic, SearchSpace
from hwnas.strategies.constants import Constants
from hwnas.strategies.objectives import Reward
from hwnas.strategies.samplers.scored import ScoredSampler

KERNELS = Choice("kernel", ("3", "5"))
DEPTH = Choice("depth", ("1", "2", "3"))


def space(classes: int = 10) -> SearchSpace:
    """Up to three layers of 16 channels for images of 32 px, all of one kernel."""

    def layer(index: int, depth: int, kernel: int) -> Block:
        if index > depth:
            return Block("skip", 16, 16, 16, 16)
        return Block("mbconv", 16, 16, 16, 16, 3 + 2 * kernel, expansion=2, act="relu", residual=True)

    layers = [Elastic.of((DEPTH, KERNELS), lambda *chosen, index=index: layer(index, *chosen)) for index in range(3)]
    stem, head = Block("conv", 3, 16, 32, 32, 3, 2, act="relu"), Block("classifier", 16, classes, 16, 16)
    return SearchSpace("swift", (stem, *layers, head), "hwnas-swift")


class MutationConstants(Constants):
    """Constants of `Mutation`."""

    every: int = Field(default=3, ge=1, description="each so many proposals, one is sampled uniformly")


class Mutation(ScoredSampler):
    """Neighbours of the best, and now and then any architecture."""

    constants = MutationConstants

    def __init__(self, space, limit, constants, *, seed, budget):
        super().__init__(space, limit, constants, seed=seed, budget=budget)
        self.every = constants.every

    def propose(self):
        """The next architecture to evaluate."""
        near = list(self.space.neighbours(self.best())) if len(self.observations) % self.every else []
        return self.sample_unseen((lambda: near[self.rng.integers(len(near))]) if near else None)


class Excess(Reward):
    """The accuracy less a price for what is slower than asked for."""

    price: float = Field(default=0.1, ge=0, description="accuracy that a latency of twice the target costs")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """The reward of an accuracy and a latency."""
        return accuracy - self.price * max(0.0, latency_ms / target_ms - 1)
