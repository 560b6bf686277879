"""Where wall time goes: seconds by the name of a part."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

OTHER = "other"
SHOWN = 0.01
"""Share of all seconds from which a part is told by name."""


class Clock:
    """Counts from its making on; every second belongs to the innermost `part` that is running, or to `OTHER`."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._inner, self._since = OTHER, perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the body as `name`, and not as the part around it."""
        around = self._change(name)
        try:
            yield
        finally:
            self._change(around)

    def counted(self, name: str, work: Callable[P, T]) -> Callable[P, T]:
        """`work`, whose calls count for the part `name`."""

        def call(*args: P.args, **options: P.kwargs) -> T:
            with self.part(name):
                return work(*args, **options)

        return call

    def move(self, seconds: float, source: str, target: str) -> None:
        """Count `seconds` of the part `source`, which was told them by other means, for the part `target`."""
        self._spent[source] -= seconds
        self._spent[target] += seconds

    def seconds(self) -> dict[str, float]:
        """The seconds of every part so far."""
        self._change(self._inner)
        return {name: max(0.0, spent) for name, spent in self._spent.items()}

    def _change(self, name: str) -> str:
        """Count as `name` from now on; gives what was counted before."""
        now, before = perf_counter(), self._inner
        self._spent[before] += now - self._since
        self._inner, self._since = name, now
        return before


def duration_text(seconds: Mapping[str, float]) -> str:
    """Seconds by part in one line, the longest first; the short ones are in "other"."""
    total = sum(seconds.values())
    named = {name: value for name, value in seconds.items() if name != OTHER and value >= SHOWN * total}
    parts = sorted(named.items(), key=lambda part: -part[1])
    rest = total - sum(named.values())
    told = [*parts, *([(OTHER, rest)] if rest >= SHOWN * total else [])]
    return f"{_seconds(total)}: " + ", ".join(f"{name.replace('_', ' ')} {_seconds(value)}" for name, value in told)


def _seconds(value: float) -> str:
    """Whole seconds from ten on, else with a tenth."""
    return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
