"""Short searches for `overhead.py`, by whichever commit of hwnas is imported: a request a line in, a share a line out.

It is run as `python -P overhead_search.py` with a checkout as PYTHONPATH, and imports nothing else of this folder: what
it asks for, and of which name, is what the searching stage took before its options became one configuration, and since.
"""

import contextlib
import inspect
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

import hwnas
from hwnas.pipeline.search import search
from hwnas.strategies.methods import METHODS
from hwnas.training.data import load

POLICY_STEPS, STEPS = {"warmup_steps": 10, "steps": 50}, {"warmup_steps": 4, "steps": 16}
"""Of policies as in `targets.py`: with fewer they would learn from one architecture at a time."""
EVALUATIONS = 8
RESOLUTIONS = {"proxyless-32": 32, "nas-bench-macro-16": 16}
CHECKOUT = Path(hwnas.__file__).parents[1]


def settings(strategy: str, short: bool) -> dict[str, Any]:
    """The options of a search, by the names of this commit: a `short` one, or with all steps and evaluations that it
    has by default. A black-box strategy scores as it does by default, by shared weights."""
    found: dict[str, Any] = {"strategy": strategy, "threads": 1, "finalists": 1}
    if not short:
        return {**found, "measure": False, "progress": None}
    if METHODS[strategy].kind in ("black box", "one-shot"):
        found["evaluations"] = EVALUATIONS
    steps = POLICY_STEPS if METHODS[strategy].kind == "policy" else STEPS
    if "schedule" not in inspect.signature(search).parameters:
        return {**found, "weights": steps, "measure": False, "progress": None}
    from hwnas.strategies.loops import Schedule

    return {**found, "schedule": Schedule(**steps), "measured": False}


def share(space: str, strategy: str, ms: float, seed: int, short: bool = True) -> float:
    """The share of the searching time that is the strategy's own."""
    data, table = load("fashion-mnist-small", RESOLUTIONS[space]), CHECKOUT / "latency_tables" / f"cpu.{space}.json"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        found = search(table, ms, data, out=Path(folder) / "search", seed=seed, **settings(strategy, short))
    return float(getattr(found, "record", found).overhead)


def main() -> None:
    """Say which checkout this is, and answer every request."""
    torch.set_num_threads(1)
    print(json.dumps(str(CHECKOUT)), flush=True)
    for line in sys.stdin:
        print(json.dumps(share(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
