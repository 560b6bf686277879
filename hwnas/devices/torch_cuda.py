"""torch on an NVIDIA GPU, where there is no TensorRT."""

from pathlib import Path
from typing import ClassVar, Literal

from .runtime import HERE, Runtime


class TorchCuda(Runtime):
    """The model node by node in torch, all in `precision` and channels-last, launched as a CUDA graph.

    With float32, convolutions round to TF32 where the GPU can, as is torch's default.
    """

    backend: ClassVar[Path] = HERE / "torch_backend.py"

    precision: Literal["float32", "float16", "bfloat16"] = "float32"

    def arguments(self) -> list[str | Path]:
        """The precision, which the model's file does not tell."""
        return [self.precision]

    def on_gpu(self) -> bool:
        """Always."""
        return True
