"""One search from its configuration to its record: problem, loop, finalists, decision, each built once and in order."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from .. import references
from ..clock import Clock
from ..devices.base import Device
from ..latency.tables import TableLike
from ..nn import accelerator
from ..nn.ranks import Ranks, process_group
from ..progress import Progress
from ..threads import one_blas_thread, torch_threads
from ..training.data import Dataset
from ..training.memory import keep_freed_memory
from .config import SearchConfig
from .decision import NEAR, Decision, decide_by_device, decide_by_prediction
from .finalists import rank_finalists
from .folder import STATE, begun_length, inherit_weights, open_run, require_weights
from .loop import SearchLoop
from .meter import FinalistMeter
from .plan import Plan
from .problem import Problem
from .record import Finalist, SearchRecord, SearchResult, write_record
from .request import Request

LEVEL = 0.9
"""Share of measurements that fall into the predicted interval of the chosen network."""


def run_search(
    config: SearchConfig,
    folder: Path,
    *,
    table: TableLike | None = None,
    dataset: Dataset | None = None,
    progress: Progress = True,
) -> SearchResult:
    """Search as `config` says; `table` and `dataset` are in place of those that it names, where they are loaded.

    `folder` gets the files of the search; the same call again resumes or returns the finished one. Every rank of a
    torchrun returns the same result. Raises `InputError`, on every rank.
    """
    clock = Clock()
    with _settings(config), process_group(accelerator.pick()) as ranks:
        progress = progress if ranks.main else None
        with ranks.share_errors():
            plan = Plan.of(config)
            with clock.part("problem"):
                problem = Problem.of(config, table, dataset, progress, clock)
            request = Request.of(plan, problem)
            begun = begun_length(folder, request) if ranks.main else request.length
        begun = ranks.same(begun)
        with _device(problem, config, ranks) as device:
            with ranks.share_errors(), clock.part("set-up"):
                search = SearchLoop(problem, plan, begun, folder, ranks=ranks, progress=progress, clock=clock)
            ranks.agree("the search asked for", (request.identity, request.length))
            finished = _open(folder, request, problem, ranks)
            record = finished or _search(search, device, request, ranks)
        return SearchResult(folder, record, problem.space)


@contextmanager
def _settings(config: SearchConfig) -> Iterator[None]:
    """What the process is set to while it searches, and what code a file may name."""
    repeated = [config.space] if config.space else []
    with torch_threads(config.threads), one_blas_thread(), keep_freed_memory(), references.allow(*repeated):
        yield


@contextmanager
def _device(problem: Problem, config: SearchConfig, ranks: Ranks) -> Iterator[Device | None]:
    """The device of the main rank that decides, if one is to."""
    with ExitStack() as running:
        with ranks.share_errors():
            starts = problem.measure and ranks.main
            device = running.enter_context(problem.device(config.limit.device)) if starts else None
        yield device


def _open(folder: Path, request: Request, problem: Problem, ranks: Ranks) -> SearchRecord | None:
    """The record of the search in `folder` if it is finished; else the folder is made ready for it."""
    with ranks.share_errors():
        source = request.config.weights.from_run
        inherits = source is not None and ranks.main and not (folder / STATE).exists()
        if source is not None and inherits:
            require_weights(source, problem.table.space, request)
        finished = open_run(folder, request) if ranks.main else None
        if source is not None and inherits and finished is None:
            inherit_weights(source, folder)
    return ranks.same(finished)


def _search(search: SearchLoop, device: Device | None, request: Request, ranks: Ranks) -> SearchRecord:
    """Search, decide between finalists, and write down what was chosen."""
    search.run()
    with search.clock.part("finalists"):
        ranked = rank_finalists(search, search.problem.target_ms, request.config.finalists.count)
    record = None
    with ranks.share_errors():
        if ranks.main:  # the others wait for the device's decision
            record = _record(search, _decide(search, ranked, device), request)
            write_record(search.folder, record, search.problem.space.derive(record.arch))
    found = ranks.same(record)
    assert found is not None  # it is the main rank's
    return found


def _decide(search: SearchLoop, ranked: list[Finalist], device: Device | None) -> Decision:
    """On the device, or without one as predicted. Where the table is wrong, this rank alone ranks others."""
    problem, finalists = search.problem, search.plan.config.finalists
    if device is None:
        return decide_by_prediction(ranked, problem.latency_ms)
    if search.shared:
        search.shared.score_alone()

    def rank_more(ratio: float) -> list[Finalist]:
        with search.clock.part("finalists"):
            return rank_finalists(search, problem.latency_ms / ratio, finalists.count)

    meter = FinalistMeter(
        device, problem.space, problem.table.reference_seconds, finalists.measuring_seconds,
        problem.table.quality.rmspe, search.progress,
    )  # fmt: skip
    with search.clock.part("measuring"):
        return decide_by_device(ranked, meter, problem.latency_ms, problem.use * NEAR * problem.latency_ms, rank_more)


def _record(search: SearchLoop, decision: Decision, request: Request) -> SearchRecord:
    """What to write down."""
    problem, table, best = search.problem, search.problem.table, decision.best
    (low,), (high,) = problem.predictor.interval([best.arch], LEVEL)
    probabilities, expected_ms = search.distribution()
    return SearchRecord(
        space=problem.space.name,
        classes=problem.space.classes,
        latency_ms=problem.latency_ms,
        target_ms=problem.target_ms,
        expected_ms=expected_ms,
        predicted_ms=best.predicted_ms,
        predicted_low=float(low),
        predicted_high=float(high),
        quality=table.quality,
        measured=best.measured,
        device=table.device,
        reference_seconds=table.reference_seconds if table.origin is None else None,
        arch=best.arch,
        finalists=tuple(decision.finalists),
        probabilities=probabilities,
        scored_by=search.plan.scored_by,
        overhead=search.overhead(),
        request=request.to_json(),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        flags=(*_notes(problem, best.measured is not None), *decision.flags, *problem.flags),
        fingerprint=problem.space.fingerprint,
        seconds={name: round(spent, 3) for name, spent in search.clock.seconds().items()},
        repeats=decision.repeats,
        init=search.shared.begun if search.shared else None,
    )


def _notes(problem: Problem, measured: bool) -> Iterator[str]:
    """What to know of the latency of the chosen network."""
    table, classes = problem.table, problem.space.classes
    if not measured:
        yield "latency: predicted, not measured"
    if classes != table.classes:
        yield f"classes: the latency of the classifier is that of {table.classes} classes, not of {classes}"
    yield from table.notes
