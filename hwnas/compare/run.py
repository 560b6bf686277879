"""One run of the comparison: a strategy asks, a published table answers, and all that it asked is kept in a file."""

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
    """What a strategy asked, in order, what it was told, and the `seconds` that asking and telling took it."""

    archs: tuple[Arch, ...]
    scores: tuple[float, ...]
    seconds: float


def run(task: Task, bench: Bench, report: Report) -> Run:
    """The run of `task`: read from its file, or done now and kept there.

    Raises `InputError` where that file is damaged, or is of other figures, budget or constants.
    """
    request = {**asdict(task), **bench.identity}
    del request["path"]
    if not task.path.exists():
        done = _done(task, bench, report)
        files.write_text(task.path, json.dumps({"schema": SCHEMA, "request": request, "run": asdict(done)}))
        return done
    report(task.budget, "")
    advice = "remove it, or name another folder"
    kept = files.versioned(files.read_json(task.path, "run"), SCHEMA, task.path, "run", advice)
    theirs = kept.get("request")
    asked = theirs if isinstance(theirs, dict) else {}
    others = [f"{name}: {asked.get(name)}, not {value}" for name, value in request.items() if asked.get(name) != value]
    if others:
        raise InputError(f"{task.path} is of another comparison ({'; '.join(others)}): {advice}")
    return files.parse(_RUN, kept.get("run"), task.path)


def build_sampler(task: Task, bench: Bench) -> Sampler:
    """The strategy of `task`, which has asked for nothing yet. Raises `InputError` for a constant out of range."""
    method = methods.get(task.strategy)
    sampler: Sampler = method.build(bench.space, bench.limit, method.configure(task.constants), task.seed, task.budget)
    return sampler


def _done(task: Task, bench: Bench, report: Report) -> Run:
    strategy = build_sampler(task, bench)
    observed, asked, told, seconds = bench.observed(task.seed), [], [], 0.0
    for count in range(task.budget):
        started = perf_counter()
        (proposal,) = strategy.ask()
        score = float(observed[proposal.arch])
        strategy.tell(proposal.id, score)
        seconds += perf_counter() - started
        asked.append(proposal.arch)
        told.append(score)
        report(count + 1, "")
    if not bench.limit.allows(asked).all():
        raise RuntimeError(f"{task.strategy} asked for what is not allowed: a comparison with it would not be fair")
    return Run(tuple(asked), tuple(told), seconds)


_RUN = TypeAdapter(Run)
