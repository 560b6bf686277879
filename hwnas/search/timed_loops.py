"""Loops that count what their steps and checkpoints take."""

from pathlib import Path
from typing import Any

from ..clock import Clock
from ..progress import Report, silent
from ..strategies.loops import SharedLoop
from ..strategies.resumable import Resumable
from ..strategies.sampler_loop import SamplerLoop


class TimedLoop(Resumable):
    """A loop whose steps, the strategy's own share of them, and checkpoints are counted by `clock`.

    `rest` is the part that is neither the strategy's own nor counted by what a step calls.
    """

    clock: Clock
    rest: str
    own: float

    def step(self, report: Report = silent) -> None:
        """Take one more step."""
        own = self.own
        with self.clock.part(self.rest):
            super().step(report)
        self.clock.move(self.own - own, self.rest, "strategy")

    def _save(self, checkpoint: Path) -> None:
        with self.clock.part("checkpoints"):
            super()._save(checkpoint)


class TimedSharedLoop(TimedLoop, SharedLoop):
    """A `SharedLoop` that is counted."""

    def __init__(self, *args: Any, clock: Clock, **options: Any) -> None:
        super().__init__(*args, **options)
        self.clock, self.rest = clock, "supernet"


class TimedSamplerLoop(TimedLoop, SamplerLoop):
    """A `SamplerLoop` that is counted."""

    def __init__(self, *args: Any, clock: Clock, **options: Any) -> None:
        super().__init__(*args, **options)
        self.clock, self.rest = clock, "predictions"
