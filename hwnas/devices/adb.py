"""An Android phone, reached through an adb server."""

import shlex
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from ..errors import InputError
from .channel import Channel
from .onnxruntime import OnnxRuntime
from .perf_test import PerfTestChannel
from .phone import Phone
from .phone_channel import PythonChannel
from .runtime import Runtime
from .spec import Seconds, Transport

AbsolutePath = Annotated[str, Field(pattern=r"^/[^\x00-\x1f]*[^/\x00-\x1f]$")]


def _require_program(command: str) -> str:
    """`command`, which names a program for a shell."""
    if not shlex.split(command):
        raise ValueError("names no program")
    return command


Command = Annotated[str, AfterValidator(_require_program)]


class Adb(Transport):
    """The phone `serial` of the adb server at `host`:`port`, or its only phone.

    What runs models there is either the command `python`, a Python that the phone's shell may run and that has what the
    runtime needs, or the program `perf_test`, the path on the phone of onnxruntime's `onnxruntime_perf_test`. `folder`
    is where files are copied to, each time into a new folder of it. The cores are those of the runtime, or the fastest.
    """

    serial: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    host: str = "127.0.0.1"
    port: int = Field(5037, ge=1, le=65535)
    folder: AbsolutePath = "/data/local/tmp/hwnas"
    python: Command | None = None
    perf_test: AbsolutePath | None = None
    timeout: Seconds = 30.0

    @model_validator(mode="after")
    def _one_program(self) -> Self:
        if (self.python is None) == (self.perf_test is None):
            raise ValueError("adb needs one of python and perf_test: what runs the models on the phone")
        return self

    def channel(self, runtime: Runtime) -> Channel:
        """A channel to the phone. Raises `InputError` for a runtime that no phone has, and where adbutils is absent."""
        if runtime.on_gpu() or not runtime.phones:
            raise InputError(
                f"a phone behind adb runs no {type(runtime).__name__}: only runtimes on the CPU that are marked "
                "`phones = True`, such as onnxruntime with the provider cpu",
                code="device.no-phone-runtime",
                runtime=type(runtime).__name__,
            )
        phone = Phone(self.serial, self.host, self.port, self.timeout)
        if self.python is not None:
            return PythonChannel(phone, self.folder, runtime, self.python)
        if self.perf_test is None or not isinstance(runtime, OnnxRuntime):
            raise InputError(
                f"onnxruntime_perf_test runs onnxruntime alone: {type(runtime).__name__} needs python on the phone",
                code="device.no-phone-runtime",
                runtime=type(runtime).__name__,
            )
        return PerfTestChannel(phone, self.folder, runtime, self.perf_test)
