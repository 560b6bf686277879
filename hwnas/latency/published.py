"""Published latencies of whole networks, which others measured: leave out those of a device that was not steady."""

import numpy as np


def steady_mask(ms: np.ndarray, window: int = 21, above: float = 1.1) -> np.ndarray:
    """Which of `ms` (N,), in the order of measuring, come from a time when the device was steady; a mask (N,).

    It was not where the median of the `window` labels around one, fewer at the ends, is more than `above` times the
    median of all: one network may be slow, but twenty random ones in a row are not.
    """
    half = window // 2
    around = [np.median(ms[max(0, index - half) : index + half + 1]) for index in range(len(ms))]
    steady: np.ndarray = np.array(around) <= above * np.median(ms)
    return steady
