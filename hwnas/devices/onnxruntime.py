"""onnxruntime, on a CPU or a GPU."""

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from .opset import OLDEST_OPSET, OPSET
from .runtime import HERE, CpuRuntime


class OnnxRuntime(CpuRuntime):
    """onnxruntime on `threads` cores, of `cores` where given (or the last ones), or on the GPU of `provider`.

    `opset` is the newest that it reads, where that is older than the one that hwnas writes.

    With int8, what is timed is the model quantised with random images: right for its latency, useless for its answers.
    """

    backend: ClassVar[Path] = HERE / "onnxruntime_backend.py"
    phones: ClassVar[bool] = True

    provider: Literal["cpu", "cuda", "tensorrt"] = "cpu"
    precision: Literal["float32", "int8"] = "float32"
    opset: int | None = Field(None, ge=OLDEST_OPSET, le=OPSET)

    @model_validator(mode="after")
    def _require_cpu(self) -> Self:
        if self.provider != "cpu" and (self.threads > 1 or self.cores):
            raise ValueError(f"threads and cores are the CPU's, not those of {self.provider}")
        if self.provider != "cpu" and self.precision == "int8":
            raise ValueError(f"int8 is quantised as the CPU computes it, not as {self.provider} does")
        return self

    def arguments(self) -> list[str | Path]:
        """The provider."""
        return [self.provider]

    def artifact(self, model: Path, folder: Path) -> Path:
        """`model`, or its form in `opset` and int8. Raises `InputError` where there is none."""
        model = self._older(model, folder / f"{model.stem}.onnx")
        if self.precision == "float32":
            return model
        from .int8 import quantize  # here, as it loads onnxruntime, which nothing else needs in this process

        quantized = quantize(model, folder / f"{model.stem}.int8.onnx")
        return self._older(quantized, folder / f"{model.stem}.int8.older.onnx")

    def _older(self, model: Path, out: Path) -> Path:
        """`model`, or its form in `opset`, at `out`."""
        if self.opset is None:
            return model
        from .older_opset import rewrite  # here, as it loads onnx, which naming devices does not need

        return rewrite(model, self.opset, out.with_name(f"{self.opset}.{out.name}"))

    def load_timeout(self) -> float:
        """TensorRT tries out many kernels while it loads a model."""
        return 900.0 if self.provider == "tensorrt" else super().load_timeout()

    def on_gpu(self) -> bool:
        """With any provider but the CPU's."""
        return self.provider != "cpu"
