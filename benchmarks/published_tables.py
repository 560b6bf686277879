"""Converts published latencies of networks of the FBNet space into latency tables.

    python benchmarks/published_tables.py --data-dir DIR [--out latency_tables]

DIR holds `fbnet_latency.json`: 5000 networks and their latency in ms on five devices, in the order of measuring. What
the publication does not tell of a device is stored as "not told", and 0 threads.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hwnas.devices.base import DeviceInfo
from hwnas.latency.learn import learn
from hwnas.latency.published import steady_mask
from hwnas.latency.table import LatencyTable, Networks, Origin, write_arch
from hwnas.space import registry

HELP = "HELP (arXiv 2106.08630), github.com/HayeonLee/HELP"
BENCH = f"HW-NAS-Bench (arXiv 2103.10584), as published with {HELP}"
UNTOLD = "not told"

SUMS = (
    "the latencies are exact sums of a table of blocks: an additive model fits them perfectly by construction, "
    "and no interval tells how a phone would scatter"
)
UNREPEATED = "each network was timed once as far as the source tells, so the noise of the latencies is not known"
DRIFTS = (
    "whole milliseconds, which drift with the order of measuring (slower at the start and the end of a session): "
    "this noise limits every prediction, not the model"
)


@dataclass(frozen=True)
class Published:
    """A device of the publication: its key there, what it is, and what to know of its figures."""

    key: str
    name: str
    model: str
    source: str
    notes: tuple[str, ...]
    drifts: bool = False


DEVICES = (
    Published("pixel3", "pixel3", "Google Pixel 3", BENCH, (SUMS,)),
    Published("raspi4", "raspi4", "Raspberry Pi 4", BENCH, (SUMS,)),
    Published("samsung_a50", "samsung_a50", "Samsung Galaxy A50", HELP, (DRIFTS, UNREPEATED), drifts=True),
    Published("gold_6226", "gold_6226", "Intel Xeon Gold 6226", HELP, (UNREPEATED,)),
    Published("titan_rtx_1", "titan_rtx", "NVIDIA Titan RTX", HELP, (UNREPEATED,)),
)


def table(device: Published, data: dict[str, Any]) -> LatencyTable:
    """The table of one device."""
    space = registry.get("fbnet", classes=100)
    ms = np.array(data["latency_ms"][device.key])
    kept = steady_mask(ms) if device.drifts else np.ones(len(ms), bool)
    notes = device.notes
    if device.drifts:
        left_out = f"{(~kept).sum()} of {len(ms)} networks are left out: the phone was not settled when they were timed"
        notes = (*notes, left_out)
    networks = Networks(
        archs=tuple(write_arch(tuple(map(int, arch))) for arch, keep in zip(data["archs"], kept, strict=True) if keep),
        ms=tuple(ms[kept].tolist()),
    )
    model, quality = learn(space, networks, {}, None)
    return LatencyTable(
        space=space.name,
        classes=space.classes,
        fingerprint=space.fingerprint,
        device=DeviceInfo(device.name, device.model, UNTOLD, UNTOLD, 0, UNTOLD, 1, UNTOLD),
        date=UNTOLD,
        networks=networks,
        model=model,
        quality=quality,
        origin=Origin(device.source, "MIT", notes),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("latency_tables"))
    asked = parser.parse_args()
    data = json.loads((asked.data_dir / "fbnet_latency.json").read_text())
    for device in DEVICES:
        made = table(device, data)
        path = asked.out / f"{made.device.device}.{made.space}.json"
        made.save(path)
        print(f"{path}: {made.quality}")


if __name__ == "__main__":
    main()
