"""What to search, and how: one typed configuration for Python, the command line, files and `request.json`."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from .. import references
from ..config import Config, Values, merge
from ..errors import InputError
from ..strategies.schedule import Schedule
from ..training.reading import Reading, ShareOrPath

Text = Annotated[str, BeforeValidator(lambda value: fspath(value) if isinstance(value, PathLike) else value)]
"""A name, or a path that was given as such."""


def spelled_part(value: Any) -> Any:
    """A part as a mapping of its name and constants: "name" is {"name": "name"}, other names are constants."""
    if value is None or isinstance(value, str | PathLike):
        return {} if value is None else {"name": value}
    if not isinstance(value, Mapping):
        return value
    loose = {name: one for name, one in value.items() if name not in ("name", "constants")}
    return {**{name: one for name, one in value.items() if name not in loose},
            **({"constants": {**value.get("constants", {}), **loose}} if loose else {})}  # fmt: skip


class LatencyLimit(Config):
    """At most `latency_ms` for one image on the device of a latency `table`, a name of `hwnas tables` or a file.

    Finalists are measured on `device` (a name or a device file; None: the table's), unless `measure` is off. None:
    they are measured unless the table is of published data, whose device is not here.
    """

    kind: Literal["latency"] = "latency"
    table: Text
    latency_ms: float = Field(gt=0, allow_inf_nan=False)
    device: Text | None = None
    measure: bool | None = None


Limit = LatencyLimit
"""What the network must keep to. A union by `kind` as soon as there are others: parameters, file size, peak memory."""


class Part(Config):
    """A part by name or reference, with `constants` in place of its own; "name", or all in one mapping, for short."""

    name: Text | None = None
    constants: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, value: Any) -> Any:
        return spelled_part(value)


class StrategyPart(Part):
    """The search strategy: a name of `hwnas strategies`, or a reference."""

    name: Text = "proxyless"


class Weights(Schedule):
    """How the shared weights are trained. What is not set is the strategy's own, or the default of `Schedule`.

    `sharing`: each candidate has weights of its own, or all of an operation have slices of the same (None: as the
    strategy does). `init` names a trained network that they begin with, where it fits (see
    `search.initial.read_network`). `from_run` is the folder of a finished search whose weights serve again
    (1908.09791).
    """

    sharing: Literal["separate", "collapsed"] | None = None
    init: Text | None = None
    from_run: Path | None = None

    @property
    def schedule(self) -> Schedule:
        """How long and how fast."""
        return Schedule(**self.model_dump(include=set(Schedule.model_fields)))


class Budget(Config):
    """How many architectures a sampler evaluates (None: 200; a strategy that learns from the weights has steps)."""

    evaluations: int | None = Field(default=None, ge=1, le=10**9)


class Finalists(Config):
    """The `count` best architectures are ranked, and the best measured, `measuring_seconds` at a time.

    They use at least the share `use` of the latency that the search aims at, if any architecture does.
    """

    count: int = Field(default=16, ge=1, le=10_000)
    use: float = Field(default=0.97, ge=0, lt=1)
    measuring_seconds: float = Field(default=20.0, gt=0)


IN_LIMIT = ("table", "latency_ms", "device", "measure")
"""Settings of the one limit, which need not be said within it."""
SHORT = {
    "max_bad": "reading.max_bad",
    "evaluations": "budget.evaluations",
    **{name: f"limits.{name}" for name in IN_LIMIT},
}
WHOLE = {"strategy": "name", "objective": "name", "evaluator": "name", "weights": "from_run", "finalists": "count"}
"""The setting of a part that its bare name means: `strategy` is `strategy.name`."""
PARTS = ("strategy", "objective", "evaluator")


class SearchConfig(Config):
    """A search: what the network must keep to, on which images, and how it is found.

    `space` is only for a table of a space that is not built in: its reference again, so that code may run. `val` is
    what architectures are chosen on: a share of each class of the training images, or a folder or list of others (None:
    the validation split of `data`, or a quarter). `reading` says how files of images are read. `root` is where
    torchvision keeps the named data sets; `threads` are torch's here. As settings, `table`, `latency_ms`, `device` and
    `measure` mean the one limit's, `evaluations` the budget's, `max_bad` that of reading, and a name without a dot that
    is no field is a constant of the strategy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    limits: tuple[Limit, ...] = Field(min_length=1, max_length=1)
    space: Text | None = None
    data: Text = "fashion-mnist-small"
    val: ShareOrPath | None = None
    reading: Reading = Reading()
    strategy: StrategyPart = StrategyPart()
    objective: Part = Part()
    evaluator: Part = Part()
    weights: Weights = Weights()
    budget: Budget = Budget()
    finalists: Finalists = Finalists()
    seed: int = Field(default=0, ge=0, lt=2**63)
    threads: int | None = Field(default=None, ge=1, le=1024)
    root: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _spelled(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        found = dict(cls.spelled_out(values))
        if isinstance(found.get("limits"), Mapping):
            found["limits"] = [found["limits"]]
        elif not found.get("limits"):
            found["limits"] = [{}]  # so that what is missing is named, as `limits.table`
        return found

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a YAML or JSON file of one mapping. Code that it names must be allowed (`references.allow`)."""
        config = super().from_file(path)
        config.require_repeated()
        return config

    @classmethod
    def layered(cls, file: Values, options: Values, settings: Sequence[str] = ()) -> Self:
        """As `Config.layered`; code that the `file` names must be repeated."""
        config = super().layered(file, options, settings)
        if file:
            config.require_repeated()
        return config

    def require_repeated(self) -> None:
        """Raise `InputError` ("reference.not-allowed") for a reference to code that the caller has not repeated."""
        parts: dict[references.Group, str | None] = {
            "spaces": self.space,
            "strategies": self.strategy.name,
            "objectives": self.objective.name,
            "evaluators": self.evaluator.name,
        }
        for group, reference in parts.items():
            if reference is not None and (":" in reference or reference.endswith((".yaml", ".yml"))):
                references.require_allowed(group, reference)

    @property
    def limit(self) -> LatencyLimit:
        """The one limit on latency."""
        return self.limits[0]

    @classmethod
    def full_name(cls, name: str) -> str:
        """The dotted name of the field that a setting means."""
        first, dot, rest = name.partition(".")
        if first in PARTS and dot and rest.split(".")[0] not in ("name", "constants"):
            return f"{first}.constants.{rest}"
        if dot:
            return name
        if first in SHORT or first in WHOLE:
            return SHORT.get(first) or f"{first}.{WHOLE[first]}"
        return name if first in cls.model_fields else f"strategy.constants.{name}"

    @classmethod
    def spelled_out(cls, values: Values) -> Values:
        """`values` with every short form as what it stands for; the one limit as a mapping."""
        found: dict[str, Any] = {}
        for name, value in values.items():
            plain = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
            if name == "limits" and isinstance(plain, list | tuple) and len(plain) == 1:
                (plain,) = (one.model_dump() if isinstance(one, BaseModel) else one for one in plain)
            if name in PARTS:
                plain = spelled_part(plain)
            elif name in WHOLE and not isinstance(plain, Mapping):
                plain = {WHOLE[name]: plain}
            path = SHORT[name].split(".") if name in SHORT else [name]
            said = {path[0]: plain if len(path) == 1 else {path[1]: plain}}
            if isinstance(found.get(path[0]), list | tuple):
                raise InputError(f"{name} is of one limit, and there are several: say it there", code="config.value",
                                 key=name, value=value)  # fmt: skip
            found = merge(found, said)
        return found
