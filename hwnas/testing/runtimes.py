"""Hold a runtime to its contract, on this machine.

    class TestMine(RuntimeContract):
        runtime = MyRuntime()

pytest runs every test of the class; `models` may be overridden by a runtime that runs other models than these.
"""

import os
import time
from pathlib import Path
from typing import ClassVar

import numpy as np

from ..devices.local import Local
from ..devices.process import RunnerDevice
from ..devices.runtime import Runtime
from ..devices.single_file import single_file
from ..latency.graph import save
from ..references import load_file
from ..space.net import Block, Net
from .errors import refused

RUNS = 3


class RuntimeContract:
    """What every runtime must do: subclass it as `TestSomething` with the attribute `runtime`."""

    runtime: ClassVar[Runtime]

    def models(self, folder: Path) -> list[Path]:
        """ONNX models of several kinds that the runtime must run, written into `folder`."""
        folder.mkdir(exist_ok=True)
        blocks = (
            Block("conv", 3, 8, 16, 16, 3, 2, act="hswish"),
            Block("mbconv", 8, 8, 8, 8, 3, expansion=2, se=4, act="relu6", residual=True),
            Block("classifier", 8, 5, 8, 8),
        )
        parts: tuple[Block | Net, ...] = (*blocks, Net(blocks, "net"))
        return [save(part, folder / f"model{number}.onnx") for number, part in enumerate(parts)]

    def test_the_backend_is_a_file_that_is_there(self) -> None:
        """The file that is copied to devices exists, and so does every file among the arguments."""
        files = [word for word in self.runtime.command() if isinstance(word, Path)]
        assert type(self.runtime).backend in files
        assert all(file.is_file() for file in files)

    def test_an_artifact_is_one_file_the_same_every_time(self, tmp_path: Path) -> None:
        """The artifact is the model itself or inside the folder given, alone holds everything, and repeats."""
        for model in self.models(tmp_path / "models"):
            before, contents = model.read_bytes(), []
            for folder in (tmp_path / "first", tmp_path / "second"):
                folder.mkdir(exist_ok=True)
                artifact = self.runtime.artifact(model, folder)
                assert artifact == model or artifact.parent == folder
                contents.append(artifact.read_bytes())
                if artifact.suffix == ".onnx":
                    assert single_file(artifact, tmp_path) == artifact
            assert contents[0] == contents[1], "an artifact must be the same bytes for the same model"
            assert model.read_bytes() == before, "the model must not be changed"

    def test_it_says_what_it_is(self) -> None:
        """The greeting has everything that a table records."""
        with self.device() as device:
            info = device.info
        assert all((info.model, info.runtime, info.version, info.os, info.precision))
        assert info.threads == getattr(self.runtime, "threads", 1)
        assert info.batch == 1

    def test_models_are_timed_as_often_as_asked(self, tmp_path: Path) -> None:
        """Each visit gives its own number of positive times, of models that are loaded side by side."""
        models = {path.stem: path for path in self.models(tmp_path / "models")}
        with self.device() as device:
            for key, path in models.items():
                device.load(key, path)
            visits = [(key, RUNS + number) for number, key in enumerate([*models, *models])]
            times = device.time(visits)
        assert [len(seconds) for seconds in times] == [repeats for _, repeats in visits]
        assert all(np.isfinite(seconds).all() and (seconds > 0).all() for seconds in times)

    def test_models_are_unloaded_and_loaded_again(self, tmp_path: Path) -> None:
        """A key that was unloaded is free; one that is loaded over names the newer model."""
        model = self.models(tmp_path / "models")[0]
        with self.device() as device:
            device.load("a", model)
            device.unload("a")
            with refused("device.failed"):
                device.time([("a", 1)])
            for _ in range(2):
                device.load("a", model)
            assert len(device.time([("a", RUNS)])[0]) == RUNS

    def test_what_is_no_model_is_refused_in_one_line(self, tmp_path: Path) -> None:
        """A model that cannot run is refused when it is loaded, and the conversation goes on."""
        model = self.models(tmp_path / "models")[0]
        (tmp_path / "text.onnx").write_text("no model")
        unknown = tmp_path / "unknown.onnx"
        unknown.write_bytes(model.read_bytes().replace(b"Conv", b"Cnov"))
        with self.device() as device:
            for path in (tmp_path / "text.onnx", unknown):
                with refused("model.does-not-run", path=str(path)):
                    device.load("a", path)
            device.load("a", model)

    def test_a_breakdown_is_told_or_refused(self, tmp_path: Path) -> None:
        """A runtime need not tell the time of each operator, but then says so."""
        model = self.models(tmp_path / "models")[-1]
        with self.device() as device:
            if hasattr(load_file(type(self.runtime).backend).Backend, "breakdown"):
                assert device.breakdown(model, RUNS).operators
            else:
                with refused("device.no-breakdown"):
                    device.breakdown(model, RUNS)
            device.load("a", model)

    def test_its_process_ends(self, tmp_path: Path) -> None:
        """Nothing of it is left behind to disturb the next measurement."""
        channel = Local().channel(self.runtime)
        with RunnerDevice("contract", channel, self.runtime) as device:
            device.load("a", self.models(tmp_path / "models")[0])
            process = channel.pid
        deadline = time.monotonic() + 20
        while _is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not _is_alive(process)

    def device(self) -> RunnerDevice:
        """This machine with the runtime, not yet started."""
        return RunnerDevice("contract", Local().channel(self.runtime), self.runtime)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
