"""Memory: whether images fit into it, and keeping freed memory for the next allocation."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ..errors import InputError

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
MIB, GIB = 2**20, 2**30

_lock = Lock()
_depth = 0
"""How many bodies of `keep_freed_memory` run now."""


def require_memory(count: int, resolution: int) -> None:
    """Raise `InputError` ("data.memory") where `count` colour images would take over half of this machine's memory."""
    if not hasattr(os, "sysconf"):
        return  # not a POSIX system: no way to ask with the standard library
    needed = count * 3 * resolution**2
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory / 2:
        raise InputError(
            f"{count} images of {resolution} px take {needed / GIB:.1f} GiB, over half of this machine's "
            f"{memory / GIB:.1f} GiB: use a smaller resolution or fewer images",
            code="data.memory",
            images=count,
            resolution=resolution,
            memory=memory,
        )


@contextmanager
def keep_freed_memory() -> Iterator[bool]:
    """Have glibc keep freed memory for the next allocation during the body; yields whether it could be asked to.

    By default it gives every block over 32 MiB back to the system when freed, so large activations are faulted in
    again, page by page, in every step: 140,000 faults in a step of MobileNetV2 on 1,024 images of 32 px, which takes
    1.4 times as long as without. At 64 images it makes no difference.

    What the thresholds were before cannot be read. Afterwards they are the largest that glibc's own adjustment reaches
    (see mallopt(3)), as in a process that has freed one block of 32 MiB; this adjustment stays off for good.
    """
    global _depth
    with _lock:
        _depth += 1
        kept = _set_thresholds(GIB, 2**31 - 1)
    try:
        yield kept
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                _set_thresholds(32 * MIB, 64 * MIB)


def _set_thresholds(mmap: int, trim: int) -> bool:
    """Have glibc map blocks from `mmap` bytes on alone, and give the heap's end back from `trim` free bytes on."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, mmap) and mallopt(M_TRIM_THRESHOLD, trim))
