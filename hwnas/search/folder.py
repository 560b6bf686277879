"""The folder of one search: `request.json` first, checkpoints and a history as it runs, `net.json` and `search.json`
last."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import read_json, replacing, require_empty, write_json
from ..training.initial import SHARED_WEIGHTS
from ..training.run import NET
from .legacy import request_without_schema
from .record import RECORD, SearchRecord, read_record
from .request import SCHEMA, Length, Request

REQUEST, HISTORY = "request.json", "history.jsonl"
STATE, EVALUATED = SHARED_WEIGHTS, "evaluations.state"
TRAINED_BY = ("strategy.", "evaluator.", "weights.", "seed", "fingerprints.data", "fingerprints.init")
"""What the shared weights of a search depend on, unless its strategy learns while they do."""


def begun_length(folder: Path, request: Request) -> Length:
    """The length that the search in `folder` began with; that of `request` where there is none yet.

    What scales with the length of a search, such as rates and populations, must not change when it goes on for longer.
    Raises `InputError` where the folder holds another search.
    """
    return _same(folder, request)[1] if (folder / REQUEST).exists() else request.length


def open_run(folder: Path, request: Request) -> SearchRecord | None:
    """Make `folder` that of the search for `request`; its record, if it is finished already.

    A shorter search for the same goes on. Raises `InputError` if it holds another search, or anything else.
    """
    for name in (REQUEST, STATE, EVALUATED, NET, RECORD, HISTORY):
        for leftover in folder.glob(f".{name}.*.partial"):
            leftover.unlink()  # of a write that was killed
    if not (folder / REQUEST).exists():
        require_empty(folder)
        _write(folder, request, request.length)
    before, begun = _same(folder, request)
    asked, done = asdict(request.length), asdict(before.length)
    for name, count in done.items():
        if asked[name] < count:
            raise InputError(f"{folder} holds this search with {count} {name}: give as many or more, or another folder",
                             code="search.shorter", **{name: count})  # fmt: skip
    if asked != done:
        _write(folder, request, begun)
    finished = read_record(folder) if (folder / RECORD).exists() else None
    return finished if finished and finished.request.get("length") == asked else None  # or it was of a shorter one


def require_weights(source: Path, space: str, request: Request) -> None:
    """Raise `InputError` unless the finished search in `source` has shared weights of `space` for `request`.

    Those that were trained in another way are not, nor while a strategy learned for its own latency, nor for more
    steps. Those of fewer steps are trained on.
    """
    found = read_record(source)
    if not (source / STATE).exists():
        raise InputError(f"{source} has no shared weights: its architectures were scored by {found.scored_by}",
                         code="search.no-weights", path=str(source))  # fmt: skip
    asked, _ = _read(source, request)
    differ = [name for name in asked.differences(request) if name.startswith(TRAINED_BY)]
    differ += ["space"] if found.space != space else []
    if differ:
        raise InputError(f"the shared weights in {source} are of another {', '.join(differ)}",
                         code="search.other-weights", path=str(source), names=differ)  # fmt: skip
    if request.config.evaluator.name is None:
        raise InputError(
            f"the shared weights in {source} are trained for one latency: {request.config.strategy.name} learns it",
            code="search.weights-of-one-latency", path=str(source),
        )  # fmt: skip
    if asked.length.steps > request.length.steps:
        raise InputError(f"the shared weights in {source} are of {asked.length.steps} steps: give as many or more",
                         code="search.shorter", steps=asked.length.steps)  # fmt: skip


def inherit_weights(source: Path, folder: Path) -> None:
    """Begin the search in `folder` with the shared weights of the finished one in `source`."""
    with replacing(folder / STATE) as temporary:
        shutil.copyfile(source / STATE, temporary)


def _write(folder: Path, request: Request, begun: Length) -> None:
    write_json(folder / REQUEST, {"schema": SCHEMA, **request.to_json(), "begun": asdict(begun)})


def _same(folder: Path, request: Request) -> tuple[Request, Length]:
    """What the search in `folder` was asked for. Raises `InputError` where that is not `request`."""
    asked, begun = _read(folder, request)
    if names := request.differences(asked):
        raise InputError(
            f"{folder} holds another search ({', '.join(names)}): name another folder or remove it first",
            code="search.other", path=str(folder), names=names,
        )  # fmt: skip
    return asked, begun


def _read(folder: Path, like: Request) -> tuple[Request, Length]:
    """What the search in `folder` was asked for, and the length that it began with. Raises `InputError` where that
    cannot be read; an old request is completed with the places of `like`."""
    path = folder / REQUEST
    value: Any = read_json(path, "search request")
    if isinstance(value, dict) and value.get("schema") == SCHEMA:
        return Request.parse(value, path), Length(**value["begun"])
    found = request_without_schema(value, like)
    if found is None:
        raise InputError(f"{folder} holds another search or one of another version: name another folder or remove it",
                         code="search.other", path=str(folder), names=["schema"])  # fmt: skip
    return found
