"""A comparison: strategies run on a published table of accuracies, and their regret and fronts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

from .. import files
from ..errors import InputError
from ..latency.tables import find_table
from ..progress import Progress, Report, show_progress
from ..strategies import methods
from ..strategies.constants import unknown_constant
from ..threads import one_blas_thread, torch_threads
from ..workers import run_all
from .bench import Bench
from .figures import Result, Truth
from .plot import page
from .run import Run, Task, build_sampler, run

SCHEMA = 1
"""Version of the JSON form."""

RESULT, PLOT, RUNS = "comparison.json", "plot.html", "runs"
"""In the folder of a comparison: its figures, and its runs, which another call with the same folder uses again."""

BLACK_BOX = tuple(name for name, method in methods.METHODS.items() if method.kind == "black box")
"""What is compared by default."""


@dataclass(frozen=True)
class Comparison:
    """How the `results`, the least regret first, of strategies compare on the figures of `table`.

    Costs are in `unit`: "ms" as `latency` predicts them, or "MACs". `truth` is the best within `limit` (None: all is
    allowed). `single` is whether scores were the accuracy of one training, chosen by the seed, and not the
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
        score = "a single training" if self.single else "the mean of the trainings"
        return f"{self.space}, {within}, {self.truth.allowed} networks, {self.seeds} seeds; told is {score}"


@dataclass(frozen=True)
class CompareResult:
    """A finished comparison: its folder `path`, and its `record`."""

    path: Path
    record: Comparison


@dataclass(frozen=True)
class Entrants:
    """The strategies of a comparison with all constants of their samplers, by name, and how each is run."""

    constants: Mapping[str, Mapping[str, Any]]
    budget: int
    seeds: int

    @staticmethod
    def of(
        strategies: Sequence[str], constants: Mapping[str, Mapping[str, Any]], *, budget: int, seeds: int
    ) -> "Entrants":
        """Resolved and checked. Raises `InputError`."""
        for name, count in (("budget", budget), ("seeds", seeds)):
            require_count(name, count)
        if not strategies:
            raise InputError("there are no strategies to compare: name some", code="compare.no-strategies")
        for name in constants:
            if name not in strategies:
                raise InputError(f"a constant is set for {name}, which is not compared",
                                 code="compare.not-compared", strategy=name)  # fmt: skip
        return Entrants({name: _constants(name, constants.get(name, {})) for name in strategies}, budget, seeds)

    def tasks(self, folder: Path) -> list[Task]:
        """A task for each strategy and seed, the seeds of one strategy together."""
        return [
            Task(name, seed, self.budget, given, folder / RUNS / f"{_file_name(name)}-{seed}.json")
            for name, given in self.constants.items()
            for seed in range(self.seeds)
        ]


OTHERS = ("request.json", "train.json", "train.state", "manifest.json", "demo.json")
"""Files of the folders of searches, trainings, bundles and demos."""


def require_no_other_run(folder: Path) -> None:
    """Raise `InputError` ("compare.other-run") for the folder of another stage, and for one that cannot be written."""
    if found := next((name for name in OTHERS if (folder / name).exists()), None):
        raise InputError(f"{folder} is the folder of something else, with its {found}: name another one",
                         code="compare.other-run", folder=str(folder), found=found)  # fmt: skip
    files.require_writable(folder)


def run_comparison(
    entrants: Entrants, bench: Bench, folder: Path, *, workers: int, progress: Progress = True
) -> tuple[Truth, list[Result]]:
    """The best that there is, and the figures of each strategy; each run is read from `folder` or done now."""
    truth = Truth.of(bench)
    tasks = entrants.tasks(folder)
    for task in tasks[:: entrants.seeds]:
        build_sampler(task, bench)  # a constant out of range is refused before anything runs
    with show_progress("compare", entrants.budget * len(tasks), progress) as report:
        runs = _run_all(tasks, bench, workers, report)
    names = iter(entrants.constants.items())
    results = [
        Result.of(name, dict(given), runs[start : start + entrants.seeds], bench, truth)
        for start, (name, given) in zip(range(0, len(runs), entrants.seeds), names, strict=True)
    ]
    return truth, sorted(results, key=lambda result: (result.regret[-1], result.high[-1]))


def write_comparison(
    folder: Path,
    table: str | Path,
    latency: str | Path | None,
    entrants: Entrants,
    bench: Bench,
    found: tuple[Truth, list[Result]],
) -> CompareResult:
    """Write the figures and their plot into `folder`."""
    truth, results = found
    record = Comparison(
        table=str(table),
        latency=None if latency is None else str(find_table(latency)),
        space=bench.space.name,
        unit=bench.unit,
        limit=None if bench.high == inf else bench.high,
        budget=entrants.budget,
        seeds=entrants.seeds,
        single=bench.single,
        truth=truth,
        results=tuple(results),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    files.write_json(folder / RESULT, {"schema": SCHEMA, **asdict(record)})
    files.write_text(folder / PLOT, page(record.results, record.title))
    return CompareResult(folder, record)


def require_count(name: str, count: int) -> None:
    """Raise `InputError` for less than one."""
    if count < 1:
        raise InputError(f"{name} must be at least 1, not {count}", code="compare.count", name=name, value=count)


def _constants(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every constant of the sampler of the strategy `name`."""
    method = methods.get(name)
    if method.kind == "gradient":
        raise InputError(
            f"{name} follows the gradient of shared weights, which a table of accuracies does not have",
            code="compare.gradient", strategy=name,
        )  # fmt: skip
    found = method.configure(given).strategy.model_dump()
    for constant, value in given.items():
        if constant not in found:  # it is of the path sampler, and no weights are shared here
            raise unknown_constant(constant, value, list(found), name)
    return found


def _file_name(strategy: str) -> str:
    """A strategy as part of the name of a file: a reference has slashes and colons."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in strategy)


def _run_all(tasks: list[Task], bench: Bench, workers: int, report: Report) -> list[Run]:
    """The run of each of `tasks`, in their order."""
    if workers > 1:
        return run_all(run, tasks, (bench,), workers, report)
    with torch_threads(1), one_blas_thread():  # all strategies are then timed alike, however many cores there are
        return [run(task, bench, report_from(index * task.budget, report)) for index, task in enumerate(tasks)]


def report_from(start: int, report: Report) -> Report:
    """A report of what is done beyond `start` units."""
    return lambda done, text="": report(start + done, text)
