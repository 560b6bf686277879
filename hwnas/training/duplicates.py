"""Images that are there twice, or nearly: by their bytes, and by how they look very small."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

WIDTH, HEIGHT = 9, 8
"""Pixels of the small image: its rows have 8 differences between neighbours, 64 bits in all (dHash; Krawetz, 2013)."""
BITS = 3
"""Bits in which the hashes of two that look alike may differ: with 4 parts of 16 bits, one part is then the same."""
LEVELS = 6.0
"""Levels of 255 in which the small images may differ in the mean: hashes alone take all flat images for one."""
CANDIDATES = 64
"""Images, at most, that one is compared with for each part of its hash."""


def hashes(small: np.ndarray) -> np.ndarray:
    """The hash of each of `small`, uint8 (N, 8, 9, 3): four parts of 16 bits each, uint16 (N, 4)."""
    grey = small.astype(np.int32).sum(-1)
    bits = np.packbits((grey[:, :, 1:] > grey[:, :, :-1]).reshape(len(small), -1), axis=1)
    return np.ascontiguousarray(bits).view(np.uint16)


def alike(small: np.ndarray, others: np.ndarray) -> Iterator[tuple[int, int]]:
    """Which of `small` look like which of `others`, both uint8 (N, 8, 9, 3): the first such pair of each."""
    mine, theirs = hashes(small), hashes(others)
    orders = [np.argsort(codes, kind="stable") for codes in theirs.T]
    sorted_codes = [codes[order] for codes, order in zip(theirs.T, orders, strict=True)]
    for index, hashed in enumerate(mine):
        found = []
        for order, codes, code in zip(orders, sorted_codes, hashed, strict=True):
            first = int(np.searchsorted(codes, code))
            last = int(np.searchsorted(codes, code, "right"))
            found.append(order[first : min(last, first + CANDIDATES)])
        candidates = np.unique(np.concatenate(found))
        bits = np.unpackbits((theirs[candidates] ^ hashed).view(np.uint8), axis=1).sum(1)
        near = candidates[bits <= BITS]
        difference = np.abs(others[near].astype(np.int32) - small[index]).mean((1, 2, 3))
        for other in near[difference <= LEVELS][:1]:
            yield index, int(other)


def groups(digests: Sequence[bytes]) -> list[list[int]]:
    """The places of equal `digests`, of those that are there more than once."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests):
        if digest:
            found[digest].append(place)
    return [places for places in found.values() if len(places) > 1]
