"""A model as it is sent to a device: a runtime's artifact, in a folder that lasts as long as it may be sent again."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ..errors import InputError
from ..files import writing
from .model_inputs import require_timeable
from .runtime import Runtime
from .single_file import read_graph, single_file


@dataclass
class SentModel:
    """A model of the file `source`: the artifact to send, a folder for it, and the seconds of its longest run."""

    source: Path
    artifact: Path
    folder: tempfile.TemporaryDirectory[str]
    longest: float = 0.0

    @classmethod
    def prepare(cls, source: Path, runtime: Runtime, keep: bool) -> Self:
        """Bring `source`, whose inputs can be timed, into one file and have `runtime` make its artifact.

        `keep`: whether the artifact must last, as it may be sent again when `source` is gone. Raises `InputError`, with
        the reason alone, "file.not-written" where this machine has no space for the artifact.
        """
        folder = tempfile.TemporaryDirectory()
        inside = Path(folder.name)
        try:
            whole = single_file(source, inside, model := read_graph(source))
            require_timeable(model)
            with writing(inside):
                artifact = runtime.artifact(_with_plain_name(whole, inside), inside)
                if not artifact.is_file():
                    raise InputError(f"its artifact {artifact} was not written", code="runtime.no-artifact")
                if keep and artifact.parent != inside:
                    artifact = Path(shutil.copy(artifact, inside))
        except BaseException:
            folder.cleanup()
            raise
        return cls(source, artifact, folder)

    def remove(self) -> None:
        """Remove its folder."""
        self.folder.cleanup()


def _with_plain_name(model: Path, folder: Path) -> Path:
    """`model`, or a copy in `folder` where its path is no text, as a name in Latin-1 is not: no runtime opens it."""
    try:
        str(model.resolve()).encode()
    except UnicodeEncodeError:
        return Path(shutil.copy(model, folder / f"model{model.suffix}"))
    return model
