"""Published latencies of whole networks, which others measured: which of them to believe."""

import numpy as np


def settled(ms: np.ndarray, window: int = 21, above: float = 1.1) -> np.ndarray:
    """Which of `ms` (N,), in the order of measuring, come from a time when the device was settled; a mask (N,).

    It was not where the median of the `window` labels around one is more than `above` times the median of all: one
    network may be slow, but twenty random ones in a row are not.
    """
    around = np.lib.stride_tricks.sliding_window_view(np.pad(ms, window // 2, mode="edge"), window)
    return np.median(around, axis=1) <= above * np.median(ms)
