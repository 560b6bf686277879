"""A published network at the latency of a budget: MobileNetV2, scaled by its width multiplier."""

from collections.abc import Sequence

import numpy as np

from ..devices.base import Device
from ..errors import InputError
from ..space.net import Net
from ..space.zoo import mobilenet_v2
from .measure import measure_nets
from .stats import Estimate

WIDTHS = np.round(np.arange(0.1, 3.01, 0.05), 2).tolist()
STRIDES_32 = (2, 1, 2, 2, 1, 1, 1, 1)
"""MobileNetV2 for 32×32 images: strides as published until the features have 4×4 pixels, and 1 from there."""


def mobilenets_by_width(classes: int, resolution: int) -> list[Net]:
    """MobileNetV2 at every width that makes another network, narrow to wide."""
    if resolution <= 32:
        nets = [mobilenet_v2(width, classes, resolution, STRIDES_32) for width in WIDTHS]
    else:
        nets = [mobilenet_v2(width, classes, resolution) for width in WIDTHS]
    return list(dict.fromkeys(nets))


def nearest_not_below(
    nets: Sequence[Net], latency_ms: float, device: Device, reference_seconds: float, seconds: float = 6.0
) -> tuple[Net, Estimate]:
    """The fastest of `nets`, sorted from fast to slow, that measures at least `latency_ms`, found by bisection.

    Raises `InputError` where even the last is faster.
    """
    found: dict[int, Estimate] = {}

    def slow_enough(index: int) -> bool:
        (found[index],) = measure_nets(device, [nets[index]], reference_seconds=reference_seconds, time_limit=seconds)
        return found[index].ms >= latency_ms

    low, high = 0, len(nets) - 1
    if not slow_enough(high):
        raise InputError(
            f"no {nets[0].name.split()[0]} is as slow as {latency_ms:g} ms: the widest has {found[high].ms:.4g}",
            code="baseline.too-fast", latency_ms=latency_ms, slowest_ms=found[high].ms,
        )  # fmt: skip
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if slow_enough(middle) else (middle + 1, high)
    return nets[high], found[high]
