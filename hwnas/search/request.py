"""What a search was asked for, as `request.json` keeps it: the configuration, and what the files that it names held."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import sha256
from ..strategies.schedule import Schedule
from ..training.initial import fingerprint
from .config import SearchConfig
from .plan import Plan
from .problem import Problem

SCHEMA = 2
"""Version of the JSON form. The form before had none, see `legacy`."""

PLACES = (
    "data",
    "val",
    "root",
    "space",
    "limits.table",
    "limits.device",
    "evaluator.constants.accuracies",
    "weights.init",
    "weights.from_run",
)
"""Where things are: what they hold has a fingerprint."""
LENGTHS = ("weights.steps", "budget.evaluations")
"""A search can go on for longer."""
HOW = ("threads", "reading.memory", "reading.stream", "weights.checkpoint_seconds", "finalists.measuring_seconds")
"""What does not change what is searched."""


@dataclass(frozen=True)
class Length:
    """How long a search is: steps of the shared weights after the warm-up, and evaluations after that."""

    steps: int
    evaluations: int

    def arch_steps(self, schedule: Schedule) -> int:
        """Architecture steps of a strategy that learns while the weights do."""
        return schedule.model_copy(update={"steps": self.steps}).arch_steps


@dataclass(frozen=True)
class Request:
    """A complete `config` (nothing left to defaults), and `fingerprints` of the table, images and other files."""

    config: SearchConfig
    fingerprints: Mapping[str, str]

    @staticmethod
    def of(plan: Plan, problem: Problem) -> "Request":
        """The request for `plan`. Raises `InputError` where a file that it names cannot be read."""
        limit = plan.config.limit.model_copy(update={"measure": problem.measure})
        prints = {"table": problem.table.identity, "data": problem.dataset.fingerprint}
        if problem.dataset.val is not None and plan.config.val is not None:
            prints["val"] = problem.dataset.val_fingerprint
        for file in plan.evaluator.files() if plan.evaluator else ():
            prints["accuracies"] = _digest(file)
        if plan.config.weights.init is not None:
            prints["init"] = fingerprint(plan.config.weights.init)
        return Request(plan.config.model_copy(update={"limits": (limit,)}), prints)

    @property
    def length(self) -> Length:
        """How long it searches."""
        return Length(self.config.weights.steps, self.config.budget.evaluations or 0)

    @property
    def identity(self) -> dict[str, Any]:
        """All that tells this search from another, by dotted name."""
        flat = _flat(self.config.to_json())
        return {name: value for name, value in flat.items() if name not in (*PLACES, *LENGTHS, *HOW)} | {
            f"fingerprints.{name}": value for name, value in self.fingerprints.items()
        }

    def differences(self, other: "Request") -> list[str]:
        """The dotted names of what differs in another search; of the settings that a name decides on, only that."""
        mine, theirs = self.identity, other.identity
        names = [name for name in dict.fromkeys((*mine, *theirs)) if mine.get(name) != theirs.get(name)]
        parts = [name.removesuffix("name") for name in names if name.endswith(".name")]
        return [name for name in names if name.endswith(".name") or not name.startswith(tuple(parts))]

    def to_json(self) -> dict[str, Any]:
        """JSON values, as they stand in `request.json` and in the record."""
        return {"config": self.config.to_json(), "fingerprints": dict(self.fingerprints),
                "length": asdict(self.length)}  # fmt: skip

    @staticmethod
    def parse(value: Any, where: Path) -> "Request":
        """What `to_json` made. Raises `InputError` for anything else."""
        try:
            config, prints = value["config"], value["fingerprints"]
            return Request(SearchConfig.parse(config, where), {str(name): str(one) for name, one in prints.items()})
        except (KeyError, TypeError, AttributeError):
            raise InputError(f"{where} is not a whole search request: name another folder or remove it",
                             code="search.request", path=str(where)) from None  # fmt: skip


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names; of the limits, of which there is one, without an index."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = value[0] if name == "limits" else value
        found |= _flat(inner, f"{prefix}{name}.") if isinstance(inner, Mapping) else {prefix + name: inner}
    return found


def _digest(path: Path) -> str:
    """What tells the table of accuracies in `path` from another."""
    try:
        return sha256(path.read_bytes())[:16]
    except OSError as error:
        raise InputError(f"cannot read table of accuracies {path}: {error.strerror or error}", code="file.unreadable",
                         path=str(path)) from None  # fmt: skip
