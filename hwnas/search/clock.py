"""What each part of a search takes: seconds by part, and loops that count their own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, ParamSpec, TypeVar

from ..progress import Report, silent
from ..strategies.loops import SharedLoop
from ..strategies.resumable import Resumable
from ..strategies.sampler_loop import SamplerLoop

P = ParamSpec("P")
T = TypeVar("T")

SHOWN = 0.01
"""Share of all seconds from which a part is told by name."""
OTHER = "other"


class Clock:
    """Seconds by the name of a part. A part within another counts for itself alone, so that no second counts twice."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._inner = [0.0]  # for each part that runs, the outermost first, the seconds of the parts within it
        self._started = perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what the body takes for the part `name`, but for the parts within it."""
        started = perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            passed = perf_counter() - started
            self._add(name, passed - self._inner.pop())
            self._inner[-1] += passed

    def counted(self, name: str, work: Callable[P, T]) -> Callable[P, T]:
        """`work`, whose calls count for the part `name`."""

        def call(*args: P.args, **options: P.kwargs) -> T:
            with self.part(name):
                return work(*args, **options)

        return call

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count `seconds` of the part `source`, which was told them by other means, for the part `target`."""
        self._add(source, -seconds)
        self._add(target, seconds)

    def seconds(self) -> dict[str, float]:
        """The seconds of every part so far, in milliseconds' precision; what is left of the time since the clock was
        made is "other"."""
        left = perf_counter() - self._started - sum(self._seconds.values())
        return {name: round(max(0.0, value), 3) for name, value in {**self._seconds, OTHER: left}.items()}

    def _add(self, name: str, seconds: float) -> None:
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds


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


def duration_text(seconds: Mapping[str, float]) -> str:
    """Seconds by part in one line, the longest first; the short ones are in "other"."""
    total = sum(seconds.values())
    named = {name: value for name, value in seconds.items() if name != OTHER and value >= SHOWN * total}
    parts = sorted(named.items(), key=lambda part: -part[1])
    rest = total - sum(named.values())
    told = [*parts, *([(OTHER, rest)] if rest >= SHOWN * total else [])]
    return f"{_seconds(total)}: " + ", ".join(f"{name} {_seconds(value)}" for name, value in told)


def _seconds(value: float) -> str:
    """Whole seconds from ten on, else with a tenth."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
