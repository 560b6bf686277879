"""Parts of one's own in a lone file: a space, a strategy, an objective and a runtime."""

import time
from pathlib import Path

from pydantic import Field

from hwnas.devices.runtime import Runtime
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.objectives import Reward
from hwnas.strategies.samplers.scored import ScoredSampler


def space(classes: int = 10) -> SearchSpace:
    """Four layers for images of 32 px: each has one of three kernels, or is left out where the shape allows it."""
    parts: list[Block | Slot] = [Block("conv", 3, 8, 32, 32, 3, 2, act="relu")]
    for cin, cout, size, stride in ((8, 16, 16, 2), (16, 16, 8, 1), (16, 32, 8, 2), (32, 32, 4, 1)):
        same = cin == cout
        layers = [Block("mbconv", cin, cout, size, size, k, stride, 3, act="relu", residual=same) for k in (3, 5, 7)]
        parts.append(Slot((*layers, *([Block("skip", cin, cout, size, size)] if same else []))))
    return SearchSpace("my space", (*parts, Block("classifier", 32, classes, 4, 4)), "tests/third_party/my.py")


class Climb(ScoredSampler):
    """Hill climbing: a neighbour of the best architecture so far, and every fourth time any other."""

    def propose(self):
        """The next architecture to evaluate."""
        near = list(self.space.neighbours(self.best())) if len(self.observations) % 4 else []
        return self.sample_unseen((lambda: near[self.rng.integers(len(near))]) if near else None)


class Excess(Reward):
    """The accuracy less a price for what is slower than asked for."""

    price: float = Field(default=0.1, ge=0, description="accuracy that a latency of twice the target costs")

    def __call__(self, accuracy: float, latency_ms: float, target_ms: float) -> float:
        """The reward of an accuracy and a latency."""
        return accuracy - self.price * max(0.0, latency_ms / target_ms - 1)


class Unoptimised(Runtime):
    """onnxruntime on one thread, which runs graphs as they are."""

    backend = Path(__file__)


class Backend:
    """What the process that measures makes of this file."""

    def __init__(self, threads):
        import onnxruntime

        self.runtime, self.version = "onnxruntime-unoptimised", onnxruntime.__version__

    def load(self, path):
        """The model of a file, ready to be timed."""
        return Model(path)


class Model:
    """A loaded model with an input of ones."""

    def __init__(self, path):
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        shapes = {value.name: value.shape for value in self.session.get_inputs()}
        self.feed = {
            name: numpy.ones([size if isinstance(size, int) else 1 for size in shape], "float32")
            for name, shape in shapes.items()
        }
        self.session.run(None, self.feed)

    def time(self, repeats):
        """Seconds of each of `repeats` runs."""
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.session.run(None, self.feed)
            seconds.append(time.perf_counter() - start)
        return seconds
