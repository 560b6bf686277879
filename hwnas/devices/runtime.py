"""A runtime: what runs models, described by fields of a device file, and the backend that a device runs for it.

A new one is a subclass here or anywhere, and a backend, a Python file that `runner.py` loads on the device. Both may be
one file, if it imports hwnas only where there is one.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import InputError

HERE = Path(__file__).parent
CORES = 1024
"""How many cores an operating system can pin a process to."""

Core = Annotated[int, Field(ge=0, lt=CORES)]


class Spec(BaseModel):
    """Part of a device file: a field that is not known is an error, never ignored. A text may be written in digits."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)


class Runtime(Spec):
    """What runs models. A subclass sets `backend`, and adds the fields that a device file may give it.

    Everything else has a default. The backend's class `Backend` is made with the number of threads and `arguments()`.
    """

    backend: ClassVar[Path]
    """The Python file whose class `Backend` loads and times models, as `runner.py` says. It is copied to the device by
    itself, so it imports nothing that is not installed there."""

    phones: ClassVar[bool] = False
    """Whether the backend runs under a Python on an Android phone, behind adb."""

    precision: str = "float32"
    """What the times are of, where the backend does not say it."""

    def arguments(self) -> list[str | Path]:
        """What `Backend` is made with after the threads. A path is of a file here, which is copied to the device."""
        return []

    def artifact(self, model: Path, folder: Path) -> Path:
        """The file that is sent, loaded and timed for the ONNX file `model`, which is whole and must not be changed.

        `model` itself, or one file that holds everything, written into `folder`: the same bytes for the same model.
        This is the file that an export ships and verifies, so nothing of it may depend on this machine. Raises
        `InputError`, with the reason alone, for a model that cannot be converted.
        """
        return model

    def load_timeout(self) -> float:
        """Seconds that loading a model may take, and running it once."""
        return 60.0

    def on_gpu(self) -> bool:
        """Whether models run on an NVIDIA GPU, whose state is then told in place of the CPU's."""
        return False

    def command(self) -> list[str | Path]:
        """The runner and its arguments, as every transport starts it. A path is of a file here. Raises `InputError`."""
        file = getattr(type(self), "backend", None)
        if file is None or not Path(file).is_file():
            name = type(self).__name__
            message = f"{name} has no backend, the Python file that runs models on a device: {file} is none"
            raise InputError(message, code="runtime.no-backend", runtime=name)
        backend = [Path(file), *self.arguments()]
        if self.on_gpu():
            return [HERE / "runner.py", "--gpu", HERE / "nvidia_gpu.py", *backend]
        cores = getattr(self, "cores", ())
        pinned = ["--cores", ",".join(map(str, cores))] if cores else ["--chooser", HERE / "cores.py"]
        return [HERE / "runner.py", "--threads", str(getattr(self, "threads", 1)), *pinned, *backend]


class CpuRuntime(Runtime):
    """A runtime with `threads` on the CPU, pinned to `cores`, or where none are given to those that `cores.py` says."""

    threads: int = Field(1, ge=1, le=CORES)
    cores: tuple[Core, ...] = ()

    @model_validator(mode="after")
    def _require_cores(self) -> Self:
        if self.cores and len(set(self.cores)) < self.threads:
            raise ValueError(f"{self.threads} threads need as many cores, not {len(set(self.cores))}")
        return self
