"""Where the wall time of a profile goes."""

from dataclasses import asdict, dataclass, fields

from ..clock import duration_text


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
        return duration_text(asdict(self))
