"""Readers of the files that searches wrote before they had one typed configuration."""

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..strategies.objectives import current_name
from .config import SearchConfig
from .plan import INHERITED, Plan
from .request import Length, Request

RECORD_SCHEMA = 3
"""Of the records that `record_of_schema_3` reads."""
RENAMED = {"budget_ms": "latency_ms", "aim_ms": "target_ms", "pace": "reference_seconds", "judged_by": "scored_by"}
"""Fields of a record of schema 3."""
EVALUATOR_CONSTANTS = {"held": "validation_share"}


def record_of_schema_3(value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record of schema 3 under their present names; its request is as it was."""
    return {RENAMED.get(name, name): one for name, one in value.items()}


def request_without_schema(value: Any, like: Request) -> tuple[Request, Length] | None:
    """The request in a `request.json` without a schema, and the length that it began with; None where it is none.

    It does not say where its table and images were: places are those of `like`, the request that it is compared with.
    """
    if not (isinstance(value, dict) and set(value) == {"search", "length", "begun"}):
        return None
    asked, length = value["search"], value["length"]
    config = like.config
    try:
        schedule = {**asked["schedule"], "steps": length["steps"], "sharing": asked["sharing"]}
        limit = config.limit.model_copy(update={"latency_ms": asked["budget_ms"], "measure": asked["measured"]})
        old = SearchConfig.parse(
            {
                **config.model_dump(include={"space", "data", "threads", "root"}),
                "limits": limit.model_dump(),
                "seed": asked["seed"],
                **_parts(asked, config),
                "weights": schedule if asked["evaluator"] == INHERITED else {},
                "budget": {} if asked["learns"] else {"evaluations": length["evaluations"]},
                "finalists": {**config.finalists.model_dump(), "count": asked["finalists"], "use": asked["used"]},
            }
        )
        prints = {name: asked[name] for name in ("table", "data", "accuracies") if name in asked}
        return Request(Plan.of(old).config, prints), Length(**value["begun"])
    except (InputError, KeyError, TypeError, ValueError):
        return None


def _parts(asked: Mapping[str, Any], config: SearchConfig) -> dict[str, Any]:
    """Strategy, objective and evaluator; their constants were in one mapping, those of the strategy without prefix."""
    constants: dict[str, dict[str, Any]] = {"strategy": {}, "objective": {}, "evaluator": {}, "weights": {}}
    for name, value in asked["constants"].items():
        part, dot, rest = name.partition(".")
        constants[part if dot else "strategy"][rest if dot else name] = value
    if "accuracies" in asked:
        constants["evaluator"]["accuracies"] = config.evaluator.constants.get("accuracies", "")
    evaluator = {EVALUATOR_CONSTANTS.get(name, name): value for name, value in constants["evaluator"].items()}
    return {
        "strategy": {"name": asked["strategy"], "constants": constants["strategy"]},
        "objective": {
            "name": current_name(asked["objective"]),
            "constants": constants["objective"],
        },
        "evaluator": {"name": None if asked["learns"] else asked["evaluator"], "constants": evaluator},
    }
