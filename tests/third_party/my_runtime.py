"""A runtime of one's own: models run by onnx's reference evaluator, which is plain numpy.

    runtime: {kind: "my_runtime.py:MyRuntime"}

hwnas reads `MyRuntime`; the process that measures, here or on another machine, loads this file for `Backend` alone.
"""

import time
from pathlib import Path

try:
    from hwnas.devices import Runtime
except ImportError:  # on a board, which needs nothing of hwnas
    Runtime = object


class MyRuntime(Runtime):
    """onnx's reference evaluator, with no fields of its own."""

    backend = Path(__file__)


class Model:
    """A loaded model with a random input."""

    def __init__(self, path):
        import numpy
        import onnx
        from onnx.reference import ReferenceEvaluator

        model = onnx.load(path)
        self.evaluator = ReferenceEvaluator(model)
        rng, self.feed = numpy.random.default_rng(0), {}
        for value in model.graph.input:
            shape = [dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim]
            self.feed[value.name] = rng.standard_normal(shape).astype("float32")
        self.evaluator.run(None, self.feed)  # so that a model which does not run is refused now

    def time(self, repeats):
        """Seconds of each of `repeats` runs."""
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.evaluator.run(None, self.feed)
            seconds.append(time.perf_counter() - start)
        return seconds


class Backend:
    """What the runner makes and asks to load models."""

    def __init__(self, threads):
        import onnx

        self.runtime, self.version = "onnx-reference", onnx.__version__

    def load(self, path):
        """The model of a file, ready to be timed."""
        return Model(path)
