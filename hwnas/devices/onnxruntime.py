"""onnxruntime, on a CPU or a GPU."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from .spec import Runtime

CORES = 1024
"""How many cores an operating system can pin a process to."""

Core = Annotated[int, Field(ge=0, lt=CORES)]


class OnnxRuntime(Runtime):
    """onnxruntime on `threads` cores, of `cores` where given (or the last ones), or on the GPU of `provider`.

    With int8, what is timed is the model quantised with random images: right for its latency, useless for its answers.
    """

    threads: int = Field(1, ge=1, le=CORES)
    cores: tuple[Core, ...] = ()
    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    precision: Literal["float32", "int8"] = "float32"

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cores and len(set(self.cores)) < self.threads:
            raise ValueError(f"{self.threads} threads need as many cores, not {len(set(self.cores))}")
        if self.provider != "cpu" and (self.threads > 1 or self.cores):
            raise ValueError(f"threads and cores are the CPU's, not those of {self.provider}")
        if self.provider != "cpu" and self.precision == "int8":
            raise ValueError(f"int8 is quantised as the CPU computes it, not as {self.provider} does")
        return self

    @property
    def runner(self) -> str:
        """File name of the runner in this package."""
        return "runner.py" if self.provider == "cpu" else "gpu_runner.py"

    def arguments(self) -> list[str | Path]:
        """Threads and cores; for a GPU the parts of its runner, and the provider."""
        if self.provider != "cpu":
            here = Path(__file__)
            return [here.with_name("cuda_runner.py"), here.with_name("runner.py"), self.provider]
        cores = ["--cores", ",".join(map(str, self.cores))] if self.cores else []
        return ["--threads", str(self.threads), *cores]

    def prepare(self, model: Path, folder: Path) -> Path:
        """`model`, or its quantised form. Raises `InputError` where it cannot be quantised."""
        if self.precision == "float32":
            return model
        from .quantized import quantized  # here, as it loads onnxruntime, which nothing else needs in this process

        return quantized(model, folder / f"{model.stem}.int8.onnx")

    def patience(self) -> float:
        """TensorRT tries out many kernels while it loads a model."""
        return 900.0 if self.provider == "tensorrt" else super().patience()
