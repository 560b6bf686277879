"""What measures on the device: it imports nothing but what is installed there."""

import time

import numpy
import onnxruntime


class Backend:
    """onnxruntime without fused operators."""

    def __init__(self, threads):
        self.runtime, self.version, self.threads = "swift-onnxruntime", onnxruntime.__version__, threads

    def load(self, path):
        """The model of a file, ready to be timed."""
        return Model(path, self.threads)


class Model:
    """A loaded model with an input of ones."""

    def __init__(self, path, threads):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.intra_op_num_threads = threads
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
