"""Where the wall time of a profile goes: seconds by part."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from time import perf_counter
from typing import Literal

Part = Literal[
    "starting",
    "building",
    "loading",
    "warming_up",
    "measuring",
    "estimating",
    "choosing",
    "fitting",
    "writing",
    "other",
]


@dataclass(frozen=True)
class ProfileSeconds:
    """Wall seconds of one call of a profile, by part.

    `measuring` are the visits to the models, which the time limit counts and `LatencyTable.seconds` adds up over all
    calls of an interrupted profile. `starting` brings the device up and ends it, `building` writes the ONNX files,
    `loading` makes a runtime's artifacts, sends and loads them, `warming_up` runs each model until its times are
    stable, `estimating` decides after each round what is not yet precise enough, `choosing` draws the networks to
    measure, `fitting` learns the predictor, `writing` is checkpoints and the table; `other` is the rest.
    """

    starting: float = 0.0
    building: float = 0.0
    loading: float = 0.0
    warming_up: float = 0.0
    measuring: float = 0.0
    estimating: float = 0.0
    choosing: float = 0.0
    fitting: float = 0.0
    writing: float = 0.0
    other: float = 0.0

    @property
    def wall(self) -> float:
        """All of them: seconds from the call to its end."""
        return float(sum(getattr(self, field.name) for field in fields(self)))

    @property
    def beside(self) -> float:
        """Seconds in which nothing was measured."""
        return self.wall - self.measuring

    def __str__(self) -> str:
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        longest = sorted(parts, key=lambda name: -parts[name])
        said = ", ".join(f"{name.replace('_', ' ')} {parts[name]:.1f}" for name in longest if parts[name] >= 0.05)
        return f"{self.wall:.1f} s: {said}"


class Clock:
    """Counts from its making on; every second belongs to the innermost `part` that is running, or to `other`."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._inner, self._since = "other", perf_counter()

    @contextmanager
    def part(self, name: Part) -> Iterator[None]:
        """Count the body as `name`, and not as the part around it."""
        around = self._change(name)
        try:
            yield
        finally:
            self._change(around)

    def seconds(self) -> ProfileSeconds:
        """The seconds so far."""
        self._change(self._inner)
        return ProfileSeconds(**self._spent)

    def _change(self, name: str) -> str:
        """Count as `name` from now on; gives what was counted before."""
        now, before = perf_counter(), self._inner
        self._spent[before] += now - self._since
        self._inner, self._since = name, now
        return before
