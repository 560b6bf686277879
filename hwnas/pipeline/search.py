"""The searching stage: a latency table, a budget and images in, the chosen network out."""

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from .. import devices
from ..devices.base import Device
from ..errors import InputError
from ..latency.predictor import LatencyPredictor
from ..latency.table import LatencyTable
from ..latency.table import load as load_table
from ..nn import accelerator
from ..nn.choice_block import Sharing
from ..nn.ranks import process_group
from ..search.folder import STATE, SearchRecord, claim, first_length, inherit, require_weights, write_record
from ..search.plan import USED, Plan
from ..search.state import EVALUATIONS, STEPS, SearchState
from ..space import registry
from ..strategies.loops import Schedule
from ..training.data import DEFAULT, Dataset, load


def search(
    table: str | Path,
    latency_ms: float,
    data: str | Path | Dataset = DEFAULT,
    *,
    out: str | Path = "runs/search",
    strategy: str = "proxyless",
    constants: Mapping[str, Any] | None = None,
    objective: str | None = None,
    evaluator: str | None = None,
    evaluations: int | None = None,
    accuracies: str | Path | None = None,
    weights: str | Path | None = None,
    sharing: Sharing | None = None,
    used: float = USED,
    finalists: int = 16,
    seed: int = 0,
    schedule: Schedule | None = None,
    threads: int | None = None,
    root: Path | None = None,
    measuring_seconds: float = 20.0,
    device: str | None = None,
    measured: bool | None = None,
) -> SearchRecord | None:
    """Search the space of `table` for the most accurate network that runs in `latency_ms` on the table's device.

    How is said by `strategy` and what follows it (see `Plan`): a method that learns while the weights of a supernet are
    trained, or a sampler over an `evaluator`, which by default is the accuracy that is inherited from those weights.
    Its `finalists` best architectures, predicted to use at least the share `used` of the latency aimed at and not more,
    are ranked by that evaluator, and the best are measured on the device until one is within the budget. That is
    `device`, a name or a device file, by default the one of the table's name; it runs the table's number of threads.
    With `measured=False`, which is the default for a published table, whose device is not here, no device is needed:
    the best is chosen as predicted.

    `out` gets `history.jsonl` while the search runs, then `net.json` and `search.json`. `threads` is torch's; `data`
    and `root` are as `load` takes them, and `data` can be a `Dataset` that was loaded; `accuracies` is the file of the
    evaluator `table`; `weights` is the folder of a finished search whose shared weights serve again, for another
    latency or device (Once-for-All, 1908.09791). The same call again goes on where an interrupted one stopped, to the
    same end, or returns the record of the finished one; with more steps or evaluations it goes on for longer.

    Raises `InputError` for a budget that no network or every network of the space meets, for a strategy or constants
    that there are not, for a table of another device, and for data of another kind.
    """
    out = Path(out)
    plan = Plan(strategy, constants, objective, evaluator, evaluations, sharing, used, accuracies)
    schedule = plan.schedule(schedule or Schedule())
    with ExitStack() as lasting:
        with process_group(accelerator.pick()) as ranks:
            with ranks.share_errors():
                _check_numbers(finalists=(finalists, 1), seed=(seed, 0), threads=(threads, 1))
                if threads is not None:
                    torch.set_num_threads(threads)
                latencies = load_table(Path(table))
                measured = latencies.origin is None if measured is None else measured
                predictor = _predictor(latencies, latency_ms, device, measured)
                running = lasting.enter_context(_started(latencies, device)) if measured and ranks.main else None
                dataset = load(data, predictor.space.resolution, root, show=ranks.main)
                _check_classes(dataset, latencies)
                request = {**plan.told(), "table": latencies.identity, "budget_ms": latency_ms, "finalists": finalists,
                           "seed": seed, "schedule": schedule.model_dump(exclude={"steps"}), "measured": measured,
                           "data": dataset.fingerprint}  # fmt: skip
                length = {STEPS: schedule.steps, EVALUATIONS: plan.rounds}
                begun = first_length(out, request, length) if ranks.main else length
            begun = ranks.same(begun)
            with ranks.share_errors():
                state = SearchState(out, latencies, predictor, plan, latency_ms, dataset, seed, schedule, begun, ranks)
            ranks.agree("the search asked for", (request, length))
            with ranks.share_errors():
                again = weights is not None and ranks.main and not (out / STATE).exists()
                if again:
                    require_weights(Path(weights), latencies.space, request, schedule.steps)
                finished = claim(out, request, length) if ranks.main else None
            if ranks.any(finished is not None):
                return finished
            with ranks.share_errors():
                if again:
                    inherit(Path(weights), out)
            state.run()
            first = state.ranked(state.target_ms, finalists)
        if not ranks.main:
            return None
        best, known = state.choose(first, running, finalists, measuring_seconds)
    record = state.record(best, known, {**request, "length": length})
    write_record(out, record)
    return record


def check_budget(latency_ms: float) -> None:
    """Raise `InputError` for what cannot be a budget on any device."""
    if not (math.isfinite(latency_ms) and latency_ms > 0):
        raise InputError(f"a latency budget is a number of ms above 0, not {latency_ms:g}")


@contextmanager
def _started(table: LatencyTable, device: str | None) -> Iterator[Device]:
    """The device that finalists are measured on, up and known to be the table's. Raises `InputError`."""
    with devices.get(device or table.device.device, table.device.threads) as running:
        table.require(device=running.info)
        yield running


def _predictor(table: LatencyTable, latency_ms: float, device: str | None, measured: bool) -> LatencyPredictor:
    """The predictor of `table`, once everything about it that can be wrong has been looked at."""
    _check_device(table, device, measured)
    predictor = table.predictor(registry.get(table.space, table.classes))
    _check(predictor, table, latency_ms)
    return predictor


def _check_device(table: LatencyTable, device: str | None, measured: bool) -> None:
    """Raise `InputError` where something is asked of a device that nothing is to be, or can be, measured on."""
    if measured and table.origin is not None:
        raise InputError(
            f"the table of {table.device.device} is published data, with which no measurement compares: "
            "search without measuring"
        )
    if not measured and device is not None:
        raise InputError(f"this search measures nothing: leave out the device {device}")


def _check(predictor: LatencyPredictor, table: LatencyTable, latency_ms: float) -> None:
    """Raise `InputError` for a budget that no network of the space meets, or every one does."""
    check_budget(latency_ms)
    fastest, slowest = predictor.range()
    if not fastest <= latency_ms <= slowest:
        side, name = ("under", "fastest") if latency_ms < fastest else ("over", "slowest")
        raise InputError(
            f"a budget of {latency_ms:g} ms is {side} the {name} network of {predictor.space.name} "
            f"on {table.device.device}: the range is {fastest:.4g} to {slowest:.4g} ms"
        )


def _check_numbers(**least: tuple[int | None, int]) -> None:
    """Raise `InputError` for a number, given as (value, least), that is less than that."""
    for name, (value, low) in least.items():
        if value is not None and value < low:
            raise InputError(f"{name} must be at least {low}, not {value}")


def _check_classes(dataset: Dataset, table: LatencyTable) -> None:
    """Raise `InputError` where the networks of the table are not of the dataset; a published one is taken as it is."""
    classes = len(dataset.labels)
    if classes != table.classes and table.origin is None:
        raise InputError(
            f"{dataset.name} has {classes} classes and the table was measured for {table.classes}: "
            f"profile again with --classes {classes}"
        )
