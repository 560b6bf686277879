"""One run of a comparison: a strategy asks, a published table scores, and all that it asked for is kept in a file."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import TypeAdapter

from .. import files
from ..errors import InputError
from ..progress import Report
from ..space.space import Arch
from ..strategies import methods
from ..strategies.base import Sampler
from .bench import Bench

SCHEMA = 1
"""Version of the JSON form of a run. A reader refuses any other."""


@dataclass(frozen=True)
class Task:
    """A run to do: `constants` are all that the strategy has, and `path` is where the run is kept."""

    strategy: str
    seed: int
    budget: int
    constants: Mapping[str, Any]
    path: Path


@dataclass(frozen=True)
class Run:
    """What a strategy asked, in order, the score of each, and the `seconds` that asking and telling took."""

    archs: tuple[Arch, ...]
    scores: tuple[float, ...]
    seconds: float


def run(task: Task, bench: Bench, report: Report) -> Run:
    """The run of `task`: read from its file, or done now and kept there.

    Raises `InputError` where that file is damaged, or is of other figures, budget or constants.
    """
    request = {**asdict(task), **bench.identity}
    del request["path"]
    if task.path.exists():
        report(task.budget)
        return _read(task.path, request)
    done = _ask_and_tell(task, bench, report)
    files.write_text(task.path, json.dumps({"schema": SCHEMA, "request": request, "run": asdict(done)}))
    return done


def _read(path: Path, request: Mapping[str, Any]) -> Run:
    """The run in `path`. Raises `InputError` where it is not the one for `request`."""
    advice = "remove it, or name another folder"
    kept = files.versioned(files.read_json(path, "run"), SCHEMA, path, "run", advice)
    theirs = kept.get("request")
    asked = theirs if isinstance(theirs, dict) else {}
    others = {name: asked.get(name) for name, value in request.items() if asked.get(name) != value}
    if others:
        said = "; ".join(f"{name}: {value}, not {request[name]}" for name, value in others.items())
        raise InputError(f"{path} is of another comparison ({said}): {advice}", code="compare.other",
                         path=str(path), names=list(others))  # fmt: skip
    return files.parse(_RUN, kept.get("run"), path)


def build_sampler(task: Task, bench: Bench) -> Sampler:
    """The strategy of `task`, which has asked for nothing yet. Raises `InputError` for a constant out of range."""
    method = methods.get(task.strategy)
    made: Sampler = method.build(bench.space, bench.limit, method.configure(task.constants), task.seed, task.budget)
    return made


def _ask_and_tell(task: Task, bench: Bench, report: Report) -> Run:
    """Run the strategy to the end of its budget."""
    sampler, scored = build_sampler(task, bench), bench.scores(task.seed)
    archs: list[Arch] = []
    scores: list[float] = []
    seconds = 0.0
    for count in range(task.budget):
        started = perf_counter()
        (proposal,) = sampler.ask()
        arch = proposal.arch
        score = float(scored[arch])
        sampler.tell(proposal.id, score)
        seconds += perf_counter() - started
        archs.append(arch)
        scores.append(score)
        report(count + 1)
    if not bench.limit.allows(archs).all():
        raise RuntimeError(f"{task.strategy} asked for what is not allowed: a comparison with it would not be fair")
    return Run(tuple(archs), tuple(scores), seconds)


_RUN = TypeAdapter(Run)
