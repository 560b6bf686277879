"""The comparing stage: strategies and a published table of accuracies in, their regret and fronts out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..compare.bench import Bench
from ..compare.comparison import (
    BLACK_BOX,
    CompareResult,
    Entrants,
    require_count,
    require_no_other_run,
    run_comparison,
    write_comparison,
)
from ..progress import Progress

__all__ = ["BLACK_BOX", "compare"]


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
    progress: Progress = True,
) -> CompareResult:
    """Compare `strategies` on `table`, the file of NAS-Bench-Macro; the comparison is also written into `out`.

    Each runs once for each of `seeds` seeds and asks for `budget` architectures, all within the limit, and is told
    their accuracy. The limit is on MACs or, with a `latency` table of the space (a path, or a name of `hwnas tables`),
    on the ms that it predicts. `constants` are values for names of a strategy's constants, by strategy. Runs are done
    in `workers` processes of one thread each. Finished ones are kept in `out` and not done again. Of a policy or a
    one-shot method it is the sampler alone that takes part: no weights are shared.

    Raises `InputError`, among others for a method by gradient, and where `out` has runs of something else.
    """
    require_count("workers", workers)
    require_no_other_run(Path(out))
    entrants = Entrants.of(strategies, constants or {}, budget=budget, seeds=seeds)
    bench = Bench.load(table, latency, limit_ms, limit_macs, single)
    found = run_comparison(entrants, bench, Path(out), workers=workers, progress=progress)
    return write_comparison(Path(out), table, latency, entrants, bench, found)
