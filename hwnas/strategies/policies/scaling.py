"""How fast a policy learns where the budget is smaller than the published one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningRateScaling:
    """A published learning rate of Adam, `lr`, for so many `updates` of `batch` architectures each.

    A search of minutes has a hundredth of that. Adam's steps are at most about its rate long: a search of fewer updates
    has a rate with which it can go as far in all of them, but at most `most`, beyond which it only jumps about. And it
    makes its batches smaller, as long as it would have fewer than 20 of them.
    """

    lr: float
    updates: int
    batch: int
    most: float

    def batch_for(self, budget: int) -> int:
        """Architectures of an update, for `budget` evaluations."""
        return max(1, min(self.batch, budget // 20))

    def rate_for(self, updates: int) -> float:
        """Learning rate for `updates` updates in all."""
        return max(self.lr, min(self.most, self.lr * self.updates / updates))


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is: `updates` it will have in all, the share of it that is over (`progress`, 0 to 1), and
    whether its rewards are of `shared` weights, or else scores that it is told."""

    updates: int
    progress: float
    shared: bool
