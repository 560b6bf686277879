"""TensorRT and TensorRT-RTX on an NVIDIA GPU, and engines built for one. Importing this loads neither."""

import tempfile
from pathlib import Path
from typing import ClassVar, Literal

from .. import files
from ..errors import InputError
from . import tensorrt_runner
from .artifact import whole
from .float16 import float16
from .spec import Runtime

Package = Literal["tensorrt", "tensorrt-rtx"]
Precision = Literal["float32", "float16"]


class TensorRT(Runtime):
    """An engine that `package` builds on the GPU which it is timed on, launched as a CUDA graph.

    With float16 all is computed in it, but the inputs and outputs are float32. With float32, convolutions round to TF32
    where the GPU can, as is TensorRT's default.
    """

    runner: ClassVar[str] = "gpu_runner.py"

    package: Package = "tensorrt"
    precision: Precision = "float32"

    def arguments(self) -> list[str | Path]:
        """The part of the runner for TensorRT, and the package as Python names it."""
        return [Path(tensorrt_runner.__file__), _module(self.package)]

    def prepare(self, model: Path, folder: Path) -> Path:
        """`model`, or its float16 form. Raises `InputError` where it has none."""
        return _of_precision(model, folder, self.precision)

    def patience(self) -> float:
        """TensorRT tries out many kernels while it builds an engine."""
        return 900.0


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
            model = _of_precision(whole(onnx, Path(folder)), Path(folder), precision)
            engine = tensorrt_runner.build(model, _module(package), capability)
        except ImportError:
            raise _absent(package) from None
        except (InputError, RuntimeError, TypeError, ValueError) as error:
            raise InputError(f"{package} builds no engine of {onnx}: {' '.join(str(error).split())}") from None
    with files.replacing(out) as temporary:
        temporary.write_bytes(engine)
    return out


def _module(package: Package) -> str:
    return package.replace("-", "_")


def _of_precision(model: Path, folder: Path, precision: Precision) -> Path:
    return model if precision == "float32" else float16(model, folder / f"{model.stem}.float16.onnx")


def _absent(package: Package) -> InputError:
    return InputError(f"{package} is not installed: pip install 'hwnas[{package}]'")


def _capability(package: Package, name: str) -> str:
    """The member of `ComputeCapability` for a name such as sm_89. Raises `InputError` naming those that there are."""
    if package != "tensorrt-rtx":
        raise InputError(f"{package} builds for the GPU of this machine alone: only tensorrt-rtx builds for {name}")
    try:
        trt, _ = tensorrt_runner.tensorrt(_module(package))
    except ImportError:
        raise _absent(package) from None
    members = {member.replace("SM", "sm_"): member for member in trt.ComputeCapability.__members__ if "SM" in member}
    if name not in members:
        raise InputError(f"{package} knows no compute capability {name!r}: there are {', '.join(members)}")
    return members[name]
