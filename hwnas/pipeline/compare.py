"""The comparing stage: strategies and a published table of accuracies in, their regret and fronts out."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import torch

from .. import files
from ..compare.bench import Bench
from ..compare.figures import Result, Truth
from ..compare.plot import page
from ..compare.run import Run, Task, build_sampler, run
from ..errors import InputError
from ..progress import Report, progress
from ..strategies import methods
from ..strategies.constants import unknown_constant
from ..strategies.method import constants_model
from ..workers import run_all
from .tables import find

SCHEMA = 1
"""Version of the JSON form."""

RESULT, PLOT, RUNS = "comparison.json", "plot.html", "runs"
"""In the folder of a comparison: what it found, and its runs, which another call with the same folder uses again."""

BLACK_BOX = tuple(name for name, method in methods.METHODS.items() if method.kind == "black box")
"""What is compared unless told otherwise."""


@dataclass(frozen=True)
class Comparison:
    """How the `results`, the least regret first, of strategies compare on the figures of `table`.

    Costs are in `unit`: "ms" as `latency` predicts them, or "MACs". `truth` is the best within `limit` (None: all is
    allowed). `single` is whether strategies were told the accuracy of one training, drawn by the seed, and not the
    mean; regret is of the mean either way.
    """

    table: str
    latency: str | None
    space: str
    unit: str
    limit: float | None
    budget: int
    seeds: int
    single: bool
    truth: Truth
    results: tuple[Result, ...]
    date: str

    @property
    def title(self) -> str:
        """What is compared, in a line."""
        within = "no limit" if self.limit is None else f"at most {self.limit:.6g} {self.unit}"
        told = "a single training" if self.single else "the mean of the trainings"
        return f"{self.space}, {within}, {self.truth.allowed} networks, {self.seeds} seeds; told is {told}"


def compare(
    table: str | Path,
    strategies: Sequence[str] = BLACK_BOX,
    *,
    budget: int = 200,
    seeds: int = 20,
    latency: str | Path | None = None,
    limit_ms: float | None = None,
    limit_macs: float | None = None,
    single: bool = False,
    constants: Mapping[str, Mapping[str, Any]] | None = None,
    out: str | Path = "runs/compare",
    workers: int = 1,
) -> Comparison:
    """Compare `strategies` on `table`, the file of NAS-Bench-Macro; the comparison is also written into `out`.

    Each runs once for each of `seeds` seeds and asks for `budget` architectures, all within the limit, and is told
    their accuracy. The limit is on MACs or, with a `latency` table of the space (a path, or a name of `hwnas tables`),
    on the ms that it predicts. `constants` are values for names of a strategy's constants, by strategy. Runs are done
    in `workers` processes of one thread each. Finished ones are kept in `out` and not done again. Of a policy or a
    one-shot method it is the sampler alone that takes part: no weights are shared.

    Raises `InputError`, among others for a method by gradient, and where `out` has runs of something else.
    """
    own = _checked(strategies, budget, seeds, workers, constants or {})
    bench = Bench.load(table, latency, limit_ms, limit_macs, single)
    truth = Truth.of(bench)
    keys = [(name, seed) for name in own for seed in range(seeds)]
    tasks = [Task(*key, budget, own[key[0]], Path(out) / RUNS / f"{key[0]}-{key[1]}.json") for key in keys]
    for task in tasks[::seeds]:
        build_sampler(task, bench)  # a constant out of range is refused before anything runs
    with progress("compare", budget * len(tasks)) as report:
        runs = dict(zip(keys, _all(tasks, bench, workers, report), strict=True))
    results = [Result.of(name, own[name], [runs[name, seed] for seed in range(seeds)], bench, truth) for name in own]
    found = Comparison(
        table=str(table),
        latency=None if latency is None else str(find(latency)),
        space=bench.space.name,
        unit=bench.unit,
        limit=None if bench.high == inf else bench.high,
        budget=budget,
        seeds=seeds,
        single=single,
        truth=truth,
        results=tuple(sorted(results, key=lambda result: (result.regret[-1], result.high[-1]))),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    files.write_json(Path(out) / RESULT, {"schema": SCHEMA, **asdict(found)})
    files.write_text(Path(out) / PLOT, page(found.results, found.title))
    return found


def _checked(
    strategies: Sequence[str], budget: int, seeds: int, workers: int, constants: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """All constants of each strategy's sampler, by strategy."""
    for name, count in (("budget", budget), ("seeds", seeds), ("workers", workers)):
        if count < 1:
            raise InputError(f"{name} must be at least 1, not {count}")
    if not strategies:
        raise InputError("there are no strategies to compare")
    for name in constants:
        if name not in strategies:
            raise InputError(f"a constant is set for {name}, which is not compared")
    return {name: _constants(name, constants.get(name, {})) for name in strategies}


def _constants(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    method = methods.get(name)
    if method.kind == "gradient":
        raise InputError(f"{name} follows the gradient of shared weights, which a table of accuracies does not have")
    known = constants_model(method.strategy_class).model_fields
    for constant, value in given.items():
        if constant not in known:
            raise unknown_constant(constant, value, list(known), name)
    return method.configure(given).strategy.model_dump()


def _all(tasks: list[Task], bench: Bench, workers: int, report: Report) -> list[Run]:
    """The run of each of `tasks`, in their order."""
    if workers > 1:
        return run_all(run, tasks, (bench,), workers, report)
    found = []
    with _one_thread():
        for index, task in enumerate(tasks):
            found.append(run(task, bench, lambda done, text, past=index * task.budget: report(past + done, text)))
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """Torch has one thread in the body: all strategies are then timed alike, however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
