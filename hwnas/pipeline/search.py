"""The searching stage: a latency table, a latency and images in, the chosen network out."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..latency.table import LatencyTable
from ..latency.tables import TableLike
from ..progress import Progress
from ..search.config import SearchConfig
from ..search.record import SearchResult
from ..search.run import run_search
from ..training.data import DEFAULT, Dataset


def search(
    table: TableLike | SearchConfig,
    latency_ms: float | None = None,
    data: str | PathLike[str] | Dataset = DEFAULT,
    *,
    out: str | PathLike[str] = "runs/search",
    progress: Progress = True,
    **settings: Any,
) -> SearchResult:
    """Search the space of a latency table for the most accurate network that runs in `latency_ms` on its device.

    `settings` are those of a `SearchConfig`: strategy="spos", evaluations=50, weights={"steps": 1000}, device="cpu",
    measure=False, strategy={"name": "ofa", "population": 40} and so on; a `SearchConfig` in place of `table` says all
    of it. `table` is a name of `hwnas tables`, a file or a loaded table; `data` is as `training.data.load` takes it.

    A method learns while the weights of a supernet are trained, or samples what an evaluator scores: by default the
    accuracy inherited from those weights. Its best architectures, predicted to be fast enough, are ranked by that
    score and measured on the device until one is within `latency_ms`; with `measure=False`, the default for a table of
    published data, the best is chosen as predicted.

    `out` gets `history.jsonl` while the search runs, then `net.json` and `search.json`. The same call again resumes
    an interrupted search to the same end, or returns the finished one; with more steps or evaluations it goes on.
    Raises `InputError`, among others for a latency that no network or every network of the space meets.
    """
    if isinstance(table, SearchConfig):
        if settings or latency_ms is not None or data is not DEFAULT:
            raise InputError("a SearchConfig says everything: change it by with_settings, and leave out the rest",
                             code="search.said-twice")  # fmt: skip
        return run_search(table, Path(out), progress=progress)
    named = f"{table.device.device}.{table.space}" if isinstance(table, LatencyTable) else fspath(table)
    images = data.name if isinstance(data, Dataset) else fspath(data)
    asked = {} if latency_ms is None else {"latency_ms": latency_ms}
    config = SearchConfig.parse({"table": named, **asked, "data": images, **settings})
    dataset = data if isinstance(data, Dataset) else None
    return run_search(config, Path(out), table=table, dataset=dataset, progress=progress)
