"""What hwnas itself takes beside what it is used for: a strategy beside the supernet, a profile beside its measuring.

    python benchmarks/overhead.py --only strategy --strategies enas mnasnet --base ../earlier --save overhead.json
    python benchmarks/overhead.py --only profile --spaces proxyless-32 fbnet

Part `strategy`: the share of a search's time that is the strategy's own (its samples, log-probabilities, gradients and
optimiser; not the supernet, nor latencies), for every strategy on `proxyless-32` and `nas-bench-macro-16`, on packaged
images in batches of 32, for few steps, on one thread. With `--base`, the checkout of an earlier commit, its share and
this one's are taken in turn, from processes that stay; told are medians, and the least and most.

Part `default`: the share in one search with all steps and evaluations that a strategy has by default, some minutes
each, for those whose work is not by the step: of `pnas` and `neural-predictor`, which fit a predictor some five times
in a search of any length.

Part `profile`: the wall time of a profile of each space against the seconds that it measured in.

What `--save` has already is kept, and not taken again unless `--again` says so: pieces add up. The last line is the
figures.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from record import record

import hwnas
from hwnas.latency.tables import find_table, load_table
from hwnas.space import registry
from hwnas.strategies.methods import METHODS

PARTS = ("strategy", "default", "profile")
STRATEGY_SPACES = ("proxyless-32", "nas-bench-macro-16")
FITTED = ("pnas", "neural-predictor")
LIMIT = 0.05
"""The share that a strategy may take on `proxyless-32`."""

Details = dict[str, dict[str, Any]]
"""Part to space to what was found."""


class Searches:
    """A process that searches by the hwnas of `checkout`, until the `with` block ends."""

    def __init__(self, checkout: Path) -> None:
        worker = Path(__file__).with_name("overhead_search.py")
        self.process = subprocess.Popen(
            [sys.executable, "-P", worker],
            env={**os.environ, "PYTHONPATH": str(checkout.resolve())},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if (found := Path(self._answer())) != checkout.resolve():
            raise SystemExit(f"{checkout} was not imported, but {found}")

    def __enter__(self) -> "Searches":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait()

    def share(self, **request: Any) -> float:
        """The strategy's own share of one search."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a search failed: see above")
        return json.loads(line)


def middle_ms(space: str) -> float:
    """A latency in the middle of the range of `space`, by its packaged table."""
    fastest, slowest = load_table(find_table(f"cpu.{space}")).predictor(registry.get(space)).range()
    return (fastest + slowest) / 2


def compare_shares(strategy: str, space: str, sides: dict[str, Searches], repeats: int) -> dict[str, Any]:
    """The shares of `sides`, in turn."""
    request, shares = {"space": space, "strategy": strategy, "ms": middle_ms(space)}, {name: [] for name in sides}
    for seed in range(repeats):
        for name, searches in sides.items():
            shares[name].append(round(searches.share(**request, seed=seed), 4))
    return {name: {"median": float(np.median(some)), "range": [min(some), max(some)]} for name, some in shares.items()}


def share_by_default(strategy: str) -> float:
    """The share in a search as long as it is by default, on the first of the spaces."""
    space = STRATEGY_SPACES[0]
    with Searches(Path(hwnas.__file__).parents[1]) as searches:
        return round(searches.share(space=space, strategy=strategy, ms=middle_ms(space), seed=0, short=False), 4)


def profile_seconds(space: str, time_limit: float) -> dict[str, float]:
    """Seconds of a profile from the call to its end, and those that it measured in."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        table = hwnas.profile(space, out=Path(folder) / "table.json", time_limit=time_limit, progress=None).table
    wall = time.perf_counter() - started
    return {"wall": round(wall, 1), "measured": round(table.seconds, 1), "beside": round(wall - table.seconds, 1)}


def figures_of(details: Details) -> dict[str, Any]:
    """The shares by strategy, earlier ones first, those over `LIMIT`, and the seconds beside measuring."""
    shares = {
        space: {name: [side["median"] for side in row.values()] for name, row in rows.items()}
        for space, rows in details.get("strategy", {}).items()
    }
    found: dict[str, Any] = {f"share_{space}": rows for space, rows in shares.items()}
    found["share_by_default"] = details.get("default", {})
    found["over_limit"] = [name for name, row in shares.get(STRATEGY_SPACES[0], {}).items() if row[-1] >= LIMIT]
    profiles = details.get("profile", {})
    return {**found, "seconds_beside_measuring": {space: row["beside"] for space, row in profiles.items()}}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=PARTS, help="parts to do; default: all")
    parser.add_argument("--spaces", nargs="+", help="default: both of part strategy, every space of part profile")
    parser.add_argument("--strategies", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--base", type=Path, help="checkout of an earlier commit, to compare with")
    parser.add_argument("--repeats", type=int, default=3, help="searches of each strategy and side, of a seed each")
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds of measuring in a profile")
    parser.add_argument("--again", action="store_true", help="also what --save has already")
    parser.add_argument("--save", type=Path, help="add the figures there, with their origin")
    return parser.parse_args()


def main() -> None:
    asked = options()
    saved = asked.save is not None and asked.save.exists()
    details: Details = json.loads(asked.save.read_text())["details"] if saved else {}

    def add(part: str, space: str, name: str, find: Callable[[], dict[str, Any]]) -> None:
        rows = details.setdefault(part, {})
        rows = rows.setdefault(space, {}) if part == "strategy" else rows
        if name not in rows or asked.again:
            rows[name] = find()
            record(figures_of(details), asked.save, details)

    if "strategy" in asked.only:
        checkouts = {"before": asked.base, "after": Path(hwnas.__file__).parents[1]}
        with ExitStack() as stack:
            sides = {name: stack.enter_context(Searches(path)) for name, path in checkouts.items() if path}
            for space in asked.spaces or STRATEGY_SPACES:
                for strategy in asked.strategies:
                    add("strategy", space, strategy, lambda s=strategy, on=space: compare_shares(
                        s, on, sides, asked.repeats))  # fmt: skip
    if "default" in asked.only:
        for strategy in FITTED:
            add("default", strategy, strategy, lambda s=strategy: share_by_default(s))
    if "profile" in asked.only:
        for space in asked.spaces or registry.names():
            add("profile", space, space, lambda on=space: profile_seconds(on, asked.time_limit))
    record(figures_of(details), asked.save, details)


if __name__ == "__main__":
    main()
