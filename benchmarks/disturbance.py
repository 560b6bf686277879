"""How far block estimates move when another process burns a core for half of a session, and whether it is flagged.

    python benchmarks/disturbance.py [--space proxyless-32] [--pairs 2] [--save benchmarks/results/disturbance.json]

Sessions measure every block of the space, all for the same time: an undisturbed one, then one in whose second half
another process computes (`core`) or copies 256 MB, more than the last-level cache holds, again and again (`memory`);
in turns, so that the two are close in time. Figures are the relative differences of the blocks within such a pair:
the median and the largest, each session told at its own reference time as a table is (`own_pace`), and both at that of
the undisturbed one (`one_pace`); of several pairs the worst counts. `still` is one undisturbed session against the
next. `flagged`: whether every such session said that something was wrong (not that the time was up, as that was asked
for). `holds`: whether in every pair no block moved by more than 3 %, or the session was flagged. A session's own
reference time also wanders undisturbed.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from hwnas import devices
from hwnas.latency.graph import save
from hwnas.latency.measure import Measurement, measure
from hwnas.latency.samples import Samples
from hwnas.space import registry
from hwnas.space.space import SearchSpace

ALLOWED = 0.03

BURNERS = {
    "core": "while True: pass",
    "memory": "import numpy as np\na, b = np.ones((2, 1 << 25))\nwhile True: np.copyto(a, b)",
}
"""What the second process runs."""


class Session:
    """All times of one session over the blocks of a space, and what was found from them."""

    def __init__(self, space: SearchSpace, seconds: float, seed: int, burner: str | None = None) -> None:
        self.samples = Samples()
        with ExitStack() as burning, tempfile.TemporaryDirectory() as folder, devices.get("cpu") as device:

            def keep(samples: Samples) -> None:
                nonlocal burner
                if burner is not None and samples.elapsed >= seconds / 2:
                    process = burning.enter_context(subprocess.Popen([sys.executable, "-c", BURNERS[burner]]))
                    burning.callback(process.kill)
                    burner = None

            blocks = enumerate(space.blocks())
            models = {block.key: save(block, Path(folder) / f"{index}.onnx") for index, block in blocks}
            options = {"precision": 1e-9, "time_limit": seconds, "seed": seed}
            self.found: Measurement = measure(device, models, samples=self.samples, on_round=keep, **options)
        self.flags = [flag for flag in self.found.flags if not flag.startswith("time limit:")]

    def details(self) -> dict[str, Any]:
        """What is kept of it beside the figures."""
        estimates = self.found.estimates.values()
        return {
            "pace_ms": self.found.reference_seconds * 1e3,
            "rounds": float(np.median([found.rounds for found in estimates])),
            "outliers": float(np.median([found.outliers for found in estimates])),
            "half_width": float(np.median([found.precision for found in estimates])),
            "flags": self.flags,
        }

    def moved(self, still: "Session") -> dict[str, dict[str, float]]:
        """By how much the blocks are apart from those of `still`."""
        told = self.samples.estimates(self.found.estimates, still.found.reference_seconds)
        return {
            name: {"median": float(np.median(apart)), "max": float(np.max(apart))}
            for name, estimates in (("own_pace", self.found.estimates), ("one_pace", told))
            for apart in [[abs(found.ms / still.found.estimates[key].ms - 1) for key, found in estimates.items()]]
        }


def summary(pairs: Sequence[tuple[Session, Session]]) -> dict[str, Any]:
    """The worst of the pairs (undisturbed, other)."""
    moved = [other.moved(still) for still, other in pairs]
    flagged = [bool(other.flags) for _, other in pairs]
    figures: dict[str, Any] = {"flagged": all(flagged)}
    for name in ("own_pace", "one_pace"):
        worst = {part: round(max(one[name][part] for one in moved), 5) for part in ("median", "max")}
        holds = all(said or one[name]["max"] <= ALLOWED for said, one in zip(flagged, moved, strict=True))
        figures[name] = {**worst, "holds": holds}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="proxyless-32")
    parser.add_argument("--seconds", type=float, default=20.0, help="measuring time of a session")
    parser.add_argument("--pairs", type=int, default=2, help="pairs of sessions for each kind of disturbance")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    space = registry.get(args.space)
    pairs: dict[str, list[tuple[Session, Session]]] = {kind: [] for kind in ("still", *BURNERS)}
    last = None
    for index in range(args.pairs):
        for kind in BURNERS:
            still = Session(space, args.seconds, seed=2 * index)
            pairs[kind].append((still, Session(space, args.seconds, seed=2 * index + 1, burner=kind)))
            if last is not None:
                pairs["still"].append((last, still))
            last = still
    figures = {kind: summary(of) for kind, of in pairs.items()}
    details = {kind: [[session.details() for session in pair] for pair in of] for kind, of in pairs.items()}
    record(figures, args.save, {"space": args.space, "seconds": args.seconds, "sessions": details})


if __name__ == "__main__":
    main()
