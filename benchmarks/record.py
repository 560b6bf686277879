"""Keep what a benchmark found, with its command, the machine, versions and date, and print it as the last line."""

import json
import os
import platform
import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hwnas.devices.runner import cpuinfo
from hwnas.files import write_json

sys.path.sort(key=lambda folder: Path(folder).resolve() == Path(__file__).resolve().parent)
# This folder last, or its `profile.py` would stand in for the standard one, which torch imports when first it steps.

PACKAGES = ("torch", "onnxruntime", "onnx", "numpy", "timm")


def record(figures: dict[str, Any], save: Path | None, details: Any = None) -> None:
    """Print `figures` as one JSON object; with `save`, write them there too, with their origin and `details`."""
    if save is not None:
        origin = {
            "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"model": cpuinfo("model name"), "cores": os.cpu_count(), "os": platform.platform()},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        }
        write_json(save, {"figures": figures, **origin, "details": details})
    print(json.dumps(figures), flush=True)
