"""TensorRT and TensorRT-RTX on an NVIDIA GPU, and engines built for one. Importing this loads neither."""

import tempfile
from pathlib import Path
from typing import ClassVar, Literal

from .. import files
from ..errors import InputError
from . import tensorrt_backend
from .float16 import to_float16
from .runtime import HERE, Runtime
from .single_file import single_file

Package = Literal["tensorrt", "tensorrt-rtx"]
Precision = Literal["float32", "float16"]


class TensorRT(Runtime):
    """An engine that `package` builds on the GPU which it is timed on, launched as a CUDA graph.

    With float16 all is computed in it, but the inputs and outputs are float32. With float32, convolutions round to TF32
    where the GPU can, as is TensorRT's default.
    """

    backend: ClassVar[Path] = HERE / "tensorrt_backend.py"

    package: Package = "tensorrt"
    precision: Precision = "float32"

    def arguments(self) -> list[str | Path]:
        """The package as Python names it."""
        return [_module(self.package)]

    def artifact(self, model: Path, folder: Path) -> Path:
        """`model`, or its float16 form. Raises `InputError` where it has none."""
        return _of_precision(model, folder, self.precision)

    def load_timeout(self) -> float:
        """TensorRT tries out many kernels while it builds an engine."""
        return 900.0

    def on_gpu(self) -> bool:
        """Always."""
        return True


def build_engine(
    onnx: Path,
    out: Path,
    *,
    package: Package = "tensorrt-rtx",
    precision: Precision = "float32",
    capability: str | None = None,
) -> Path:
    """Write the engine that `package` builds of the model `onnx`, at batch 1, to `out`; returns `out`.

    TensorRT builds it for the GPU of this machine. TensorRT-RTX needs none: it builds it for the compute capability
    given, such as "sm_89", or for all from sm_80 on. Raises `InputError` where the package or such a capability is not
    there, and for a model that it cannot build.
    """
    if capability is not None:
        capability = _capability(package, capability)
    with tempfile.TemporaryDirectory() as folder:
        try:
            model = _of_precision(single_file(onnx, Path(folder)), Path(folder), precision)
            engine = tensorrt_backend.build(model, _module(package), capability)
        except ImportError:
            raise _absent(package) from None
        except (InputError, RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{package} builds no engine of {onnx}: {reason}",
                code="engine.not-built",
                package=package,
                path=str(onnx),
            ) from None
    with files.replacing(out) as temporary:
        temporary.write_bytes(engine)
    return out


def _module(package: Package) -> str:
    return package.replace("-", "_")


def _of_precision(model: Path, folder: Path, precision: Precision) -> Path:
    return model if precision == "float32" else to_float16(model, folder / f"{model.stem}.float16.onnx")


def _absent(package: Package) -> InputError:
    return InputError(
        f"{package} is not installed: pip install 'hwnas[{package}]'", code="engine.package-absent", package=package
    )


def _capability(package: Package, name: str) -> str:
    """The member of `ComputeCapability` for a name such as sm_89. Raises `InputError` naming those that there are."""
    if package != "tensorrt-rtx":
        raise InputError(
            f"{package} builds for the GPU of this machine alone: only tensorrt-rtx builds for {name}",
            code="engine.this-gpu-only",
            package=package,
            capability=name,
        )
    try:
        trt, _ = tensorrt_backend.tensorrt(_module(package))
    except ImportError:
        raise _absent(package) from None
    members: list[str] = [member for member in trt.ComputeCapability.__members__ if "SM" in member]
    by_name = {member.replace("SM", "sm_"): member for member in members}
    if name not in by_name:
        raise InputError(
            f"{package} knows no compute capability {name!r}: there are {', '.join(by_name)}",
            code="engine.unknown-capability",
            capability=name,
            known=list(by_name),
        )
    return by_name[name]
