"""What a search looked at, one JSON object a line: `history.jsonl`, which can be read while it grows."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

from ..errors import InputError
from ..files import write_text, writing
from ..space.space import Arch
from ..strategies.limit import Cost

Stage = Literal["weights", "evaluations"]
"""While the shared weights are trained, or after that, architecture by architecture."""

STAGES: tuple[Stage, ...] = ("weights", "evaluations")


@dataclass
class History:
    """Lines of stage, step, architecture, score, predicted ms and seconds, appended to `path`.

    A search that goes on from a checkpoint does some steps again: its first line takes away what was written of that
    step and of all after it. `score` is, in the stage `evaluations`, what the evaluator says, and in the stage
    `weights` what the strategy learns from: minus the loss for methods by gradient, the reward for policies. `seconds`
    are since the first line, less those between the last line before an interruption and the first after it.
    """

    path: Path
    cost: Cost
    file: TextIO | None = None
    before: float = 0.0
    started: float = 0.0

    def add(self, stage: Stage, step: int, arch: Arch, score: float) -> None:
        """Append a line."""
        file = self.file or self._open(stage, step)
        (ms,) = self.cost([arch])
        seconds = self.before + time.monotonic() - self.started
        entry = {"stage": stage, "step": step, "architecture": list(arch), "score": round(score, 6),
                 "predicted_ms": round(float(ms), 6), "seconds": round(seconds, 3)}  # fmt: skip
        with writing(self.path):
            file.write(json.dumps(entry) + "\n")
            file.flush()

    def close(self) -> None:
        """Close the file, if anything was written."""
        if self.file is not None:
            file, self.file = self.file, None
            with writing(self.path):  # it tries again to write what could not be written
                file.close()

    def _open(self, stage: Stage, step: int) -> TextIO:
        """Keep what is before `step` of `stage`, and go on there."""
        place = (STAGES.index(stage), step)
        kept = [entry for entry in read_history(self.path) if (STAGES.index(entry["stage"]), entry["step"]) < place]
        write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in kept))
        self.before = kept[-1]["seconds"] if kept else 0.0
        self.started = time.monotonic()
        with writing(self.path):
            self.file = self.path.open("a", encoding="utf-8")
        return self.file


def read_history(path: Path) -> list[dict[str, Any]]:
    """The lines of `path` as objects; none where there is no file, and without a last line that was cut off.

    Raises `InputError` for any other line that is not whole.
    """
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")  # a whole line ends with a newline
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path} is not a whole history ({error}): remove it, and the search goes on without",
            code="search.history", path=str(path),
        ) from None  # fmt: skip
