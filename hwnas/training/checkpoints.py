"""The checkpoint of a training: of which run it is, and when it is written."""

import json
from collections.abc import Mapping
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

from ..errors import InputError
from ..nn.state import load_state, save_state
from ..space.net import Net
from .data import Dataset
from .recipe import Recipe, RecordedRecipe
from .splits import Images

EARLIER = {"mirror": True}
"""What a recipe of an earlier version did that it does not say: named sets and folders were always mirrored."""


def identity(
    net: Net,
    dataset: Dataset,
    recipe: Recipe,
    seed: int,
    validation: Images | None,
    origins: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a run depends on, as plain JSON; the class of a recipe too where that is not ours, and the digests of its
    `origins`, where it has any."""
    kind = type(recipe)
    found = {
        "net": net.to_json(),
        "recipe": recipe.model_dump(),
        "seed": seed,
        "data": dataset.fingerprint,
        "kind": None if kind in (Recipe, RecordedRecipe) else kind.__qualname__,
        "validation": 0 if validation is None else len(validation),
        **(origins or {}),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def is_earlier(path: Path) -> bool:
    """Whether the checkpoint `path` is of an earlier version: without validation, and mirrored."""
    return path.exists() and isinstance(json.loads(load_state(path)["identity"]), list)


def _read_identity(text: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """An identity as JSON. Those of earlier versions are a list, and lack what recipes have had since."""
    found = json.loads(text)
    if isinstance(found, dict):
        return found
    net, recipe, seed, data, *kind = found
    defaults = {name: value for name, value in wanted["recipe"].items() if name in Recipe.model_fields}
    defaults |= json.loads(Recipe().model_dump_json())
    return {"net": net, "recipe": {**defaults, **EARLIER, **recipe}, "seed": seed, "data": data,
            "kind": kind[0] if kind else None, "validation": 0}  # fmt: skip


class Saving:
    """Where the state of a run of this `identity` is written, if anywhere, and how often within an epoch."""

    def __init__(self, path: Path | None, every_seconds: float = inf, identity: dict[str, Any] | None = None) -> None:
        self.path, self.every_seconds, self.identity = path, every_seconds, identity or {}
        self._last = monotonic()

    def due(self) -> bool:
        """Whether the last one is old enough for another."""
        return self.path is not None and monotonic() - self._last >= self.every_seconds

    def save(self, state: dict[str, Any]) -> None:
        """Write `state`, whole or not at all."""
        if self.path is not None:
            save_state(self.path, {"identity": json.dumps(self.identity), **state})
        self._last = monotonic()

    def load(self) -> dict[str, Any] | None:
        """What is there to go on from, if anything. Raises `InputError` unless it is of this run."""
        if self.path is None or not self.path.exists():
            return None
        state: dict[str, Any] = load_state(self.path)
        if _read_identity(state["identity"], self.identity) != self.identity:
            raise InputError(
                f"{self.path} is of another training run: name another folder or remove it",
                code="training.other-run",
                path=self.path,
            )
        return state
