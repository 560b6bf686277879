"""onnxruntime, on a CPU or a GPU."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from .spec import Runtime


class OnnxRuntime(Runtime):
    """onnxruntime on `threads` cores, of `cores` where given (or the last ones), or on the GPU of `provider`.

    With int8, what is timed is the model quantised with random images: right for its latency, useless for its answers.
    """

    runner: ClassVar[str] = "runner.py"

    threads: int = Field(1, ge=1)
    cores: tuple[int, ...] = ()
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    precision: Literal["float32", "int8"] = "float32"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cores and len(set(self.cores)) < self.threads:
            raise ValueError(f"{self.threads} threads need as many cores, not {len(set(self.cores))}")
        return self

    def arguments(self) -> list[str]:
        """Threads, cores and provider."""
        cores = ["--cores", ",".join(map(str, self.cores))] if self.cores else []
        return ["--threads", str(self.threads), "--provider", self.provider, *cores]

    def prepare(self, model: Path, folder: Path) -> Path:
        """`model`, or its quantised form. Raises `InputError` where it cannot be quantised."""
        if self.precision == "float32":
            return model
        from .quantized import quantized  # here, as it loads onnxruntime, which nothing else needs in this process

        return quantized(model, folder / f"{model.stem}.int8.onnx")

    def patience(self) -> float:
        """TensorRT tries out many kernels while it loads a model."""
        return 900.0 if self.provider == "tensorrt" else super().patience()
