"""onnxruntime on an NVIDIA GPU: the part of `gpu_runner.py` for its CUDA and TensorRT providers.

The model is that of `runner.py`. A run ends when the GPU has ended it, and its inputs and outputs stay there.
"""

import importlib.util
import subprocess

PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


def module_of(path):
    """Another file as a module, wherever it is."""
    spec = importlib.util.spec_from_file_location("cpu_runner", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Machine:
    """The first GPU, under the provider of a name of `PROVIDERS`; `runner` is the path of `runner.py`."""

    def __init__(self, runner, provider):
        self.runner, self.provider, self.gpu = module_of(runner), PROVIDERS[provider], "0"
        self.runtime, self.version = "onnxruntime-" + provider, self.runner.ort.__version__
        if self.provider not in self.runner.ort.get_available_providers():
            raise RuntimeError(f"this onnxruntime has no {self.provider}: pip install onnxruntime-gpu")
        query = ["nvidia-smi", "--id=" + self.gpu, "--query-gpu=name", "--format=csv,noheader"]
        try:
            self.name = subprocess.run(query, stdout=subprocess.PIPE, timeout=20, check=True).stdout.decode().strip()
        except (OSError, subprocess.SubprocessError):
            raise RuntimeError("no NVIDIA GPU here: nvidia-smi tells of none") from None

    def load(self, path):
        """The model of `path`, to be timed."""
        model = self.runner.Model(path, 1, self.provider, "cuda")
        model.close = lambda: None  # it goes with its last name
        return model

    def breakdown(self, path, repeats):
        """Nothing: the profile of onnxruntime tells only when it launched an operator there."""
        raise ValueError("onnxruntime tells the time of an operator on the CPU only")
