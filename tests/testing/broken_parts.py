"""Parts that break their contracts, each in one way that a user would not see at once."""

import random
from itertools import count

import numpy as np
import onnx
import torch

from hwnas.devices.runtime import Runtime
from hwnas.nn.gates import one_hot
from hwnas.space import registry
from hwnas.space.space import SearchSpace
from hwnas.strategies.objectives import Loss, Reward
from hwnas.strategies.relaxations.softmax import Softmax, SoftmaxConstants
from hwnas.strategies.samplers.random import RandomSearch
from hwnas.strategies.samplers.scored import ScoredSampler


class IgnoresItsLimit(ScoredSampler):
    """Samples whatever there is."""

    def propose(self):
        return self.space.sample(self.rng)


class Stuck(ScoredSampler):
    """Proposes one architecture for ever."""

    def propose(self):
        return self.limit.repair(self.space.smallest, np.random.default_rng(0))


class SharesItsDice(ScoredSampler):
    """Draws from the generator of everybody."""

    def propose(self):
        return self.sample_unseen(lambda: tuple(random.randrange(n) for n in self.space.choices))


class ForgetsItsSeed(RandomSearch):
    """Does not keep the state of its generator."""

    def load_state_dict(self, state):
        super().load_state_dict(state | {"rng": self.rng.bit_generator.state})


class HasOneSeed(RandomSearch):
    """Takes the same seed always."""

    def __init__(self, space, limit, constants, *, seed, budget):
        super().__init__(space, limit, constants, seed=0, budget=budget)


class ChoosesTheWorst(RandomSearch):
    """Its finalists are those that scored least."""

    def finalists(self, count, limit):
        return sorted(limit.filter(list(self.scores)), key=self.scores.__getitem__)[:count]


class KeepsFailures(RandomSearch):
    """Takes what failed for a score of 1."""

    def tell(self, id, score):
        super().tell(id, 1.0 if score is None else score)


class TakesAnyScore(RandomSearch):
    """Takes what is no number for a score of 0."""

    def tell(self, id, score):
        super().tell(id, score if score is None or np.isfinite(score) else 0.0)


class Descends(Softmax):
    """A relaxation that is as it should be: one path, and the policy gradient of its loss."""

    constants = SoftmaxConstants

    def __init__(self, space, limit, constants, *, seed, budget):
        super().__init__(space, limit, constants, seed=seed, lr=0.2, betas=(0.5, 0.999))

    def gates(self):
        self.gate_probs = self.logits().softmax(1)
        return one_hot(self.sample_path())

    def with_policy_gradient(self, loss):
        value, baseline = float(loss.detach()), self.baseline
        self.baseline = value if baseline is None else 0.8 * baseline + 0.2 * value
        logs = self.logits().log_softmax(1).gather(1, self.sampled[:, None])
        return value + (0.0 if baseline is None else value - baseline) * logs.sum()


class NeverLearns(Descends):
    """Looks at its loss, and stays where it is."""

    def descend(self, loss):
        pass


class LearnsTheOpposite(Descends):
    """Raises its loss."""

    def descend(self, loss):
        super().descend(-loss)


class ChoosesBeyondItsLimit(Descends):
    """Its finalists are the most probable, whatever they cost."""

    def finalists(self, count, limit):
        return super().finalists(count, limit.within(np.inf, -np.inf))


class ForgetsItsBaseline(Descends):
    """Does not keep the mean that its losses are compared with."""

    def load_state_dict(self, state):
        super().load_state_dict(state | {"baseline": None})


class MovesBeyondNarrowSlots(Descends):
    """Gives options that there are not a share."""

    def distribution(self):
        return self.alpha.detach().softmax(1)


class IsAlwaysOne(Reward):
    """The same for all."""

    def __call__(self, accuracy, latency_ms, target_ms):
        return 1.0


class LikesSlowness(Reward):
    """Better the slower."""

    def __call__(self, accuracy, latency_ms, target_ms):
        return accuracy * latency_ms / target_ms


class CountsWhatItSaysItDoesNot(Reward):
    """Weighs latency, and says that it does not."""

    trades_latency = False

    def __call__(self, accuracy, latency_ms, target_ms):
        return accuracy - latency_ms / target_ms


class TakesAnyTarget(Reward):
    """Divides by a target of 0 when asked to."""

    def __call__(self, accuracy, latency_ms, target_ms):
        return accuracy - max(0.0, latency_ms / target_ms - 1)

    def require_target(self, target_ms):
        pass


class IgnoresTheImages(Loss):
    """Lowers latency alone."""

    def loss(self, cross_entropy, expected_ms, target_ms):
        return expected_ms / target_ms + 0 * cross_entropy


class IsBottomless(Loss):
    """No number below the target."""

    def loss(self, cross_entropy, expected_ms, target_ms):
        return cross_entropy + torch.log(expected_ms / target_ms - 0.9)


class ForgetsItsMultiplier(Loss):
    """Does not keep what it learnt of latency."""

    def model_post_init(self, context):
        self.__dict__["seen"] = []

    def update_multiplier(self, expected_ms, target_ms):
        self.seen.append(expected_ms / target_ms)

    def loss(self, cross_entropy, expected_ms, target_ms):
        return cross_entropy + sum(self.seen) * expected_ms / target_ms


_calls = count()


class Biased(SearchSpace):
    """Draws the first option half of the time."""

    def sample(self, rng):
        return tuple(0 if rng.random() < 0.5 else i for i in super().sample(rng))


class NamesNoNeighbours(SearchSpace):
    """Leaves the last slot as it is."""

    def neighbours(self, arch):
        return (other for other in super().neighbours(arch) if other[-1] == arch[-1])


class EncodesTheLast(SearchSpace):
    """Marks the last option where the first is chosen."""

    def encode(self, arch):
        return super().encode(arch)[:, ::-1]


def _like_macro(kind: type[SearchSpace], classes: int) -> SearchSpace:
    space = registry.get("nas-bench-macro-16", classes)
    return kind(f"{__file__}:{kind.__name__.lower()}", space.parts, "tests")


def biased(classes: int = 10) -> SearchSpace:
    return _like_macro(Biased, classes)


def namesnoneighbours(classes: int = 10) -> SearchSpace:
    return _like_macro(NamesNoNeighbours, classes)


def encodesthelast(classes: int = 10) -> SearchSpace:
    return _like_macro(EncodesTheLast, classes)


def another_every_time(classes: int = 10) -> SearchSpace:
    space = _like_macro(SearchSpace, classes)
    return SearchSpace(
        f"{__file__}:another_every_time", (*space.parts, *space.parts[-1:] * (next(_calls) % 2)), "tests"
    )


class AnotherArtifactEveryTime(Runtime):
    """Writes a number of its own into what it makes."""

    def artifact(self, model, folder):
        path = folder / "made.bin"
        path.write_bytes(model.read_bytes() + str(next(_calls)).encode())
        return path


class ChangesTheModel(Runtime):
    """Writes into the model that it is given."""

    def artifact(self, model, folder):
        changed = onnx.load(model)
        changed.doc_string = "run by this"
        onnx.save(changed, model)
        return model
