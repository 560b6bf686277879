"""What nvidia-smi tells of a GPU, for `runner.py`. It needs Python (3.8 or later) alone."""

from __future__ import annotations

import platform
import subprocess
from typing import Any

HEAT_OR_POWER = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""nvidia-smi's reasons for a low clock that are heat or power: power cap, slowdown, thermal (two), power brake."""


class Gpu:
    """The NVIDIA GPU that a backend runs on: `backend.gpu` is its id for nvidia-smi, `backend.name` its name."""

    def __init__(self, backend: Any) -> None:
        self.gpu, self.name = getattr(backend, "gpu", "0"), getattr(backend, "name", "")

    def describe(self) -> dict[str, Any]:
        """What times measured here depend on. Raises `RuntimeError` where there is no such GPU."""
        name, driver, max_mhz = self.ask("name", "driver_version", "clocks.max.sm")
        model = self.name or name
        if not model:
            raise RuntimeError("no NVIDIA GPU here: nvidia-smi tells of none")
        fields = {"model": model, "chip": model, "driver": driver, "max_mhz": number(max_mhz), "threads": 1}
        return {**fields, "os": f"{platform.system()} {platform.machine()}"}

    def state(self) -> dict[str, Any]:
        """The clock in MHz, the temperature in °C, and whether heat or power holds the clock back."""
        mhz, celsius, reasons = self.ask("clocks.sm", "temperature.gpu", "clocks_throttle_reasons.active")
        bits = number(reasons)
        throttled = None if bits is None else bool(int(bits) & HEAT_OR_POWER)
        return {"mhz": number(mhz), "celsius": number(celsius), "throttled": throttled}

    def ask(self, *fields: str) -> list[str]:
        """These fields from nvidia-smi, each empty where it is not told; a Jetson may have no nvidia-smi."""
        command = ["nvidia-smi", "--id=" + self.gpu, "--query-gpu=" + ",".join(fields)]
        command.append("--format=csv,noheader,nounits")
        try:
            output = subprocess.run(command, stdout=subprocess.PIPE, timeout=20, check=True).stdout.decode()
        except (OSError, subprocess.SubprocessError):
            return [""] * len(fields)
        values = [value.strip() for value in output.split(",")]
        return ["" if value.startswith("[") else value for value in values]  # [N/A], [Unknown Error]


def number(text: str) -> float | None:
    """A number of nvidia-smi, in hexadecimal after 0x, or None for words that say why there is none."""
    try:
        return int(text, 16) if text.startswith("0x") else float(text)
    except ValueError:
        return None
