"""torch on an NVIDIA GPU, where there is no TensorRT."""

from typing import ClassVar, Literal

from .spec import Runtime


class TorchCuda(Runtime):
    """The model node by node in torch, all in `precision` and channels-last, launched as a CUDA graph.

    With float32, convolutions round to TF32 where the GPU can, as is torch's default.
    """

    runner: ClassVar[str] = "gpu_runner.py"
    beside: ClassVar[tuple[str, ...]] = ("torch_runner.py",)

    precision: Literal["float32", "float16", "bfloat16"] = "float32"

    def arguments(self) -> list[str]:
        """The precision, which the model's file does not tell."""
        return [*self.beside, self.precision]
