"""Memory: whether images fit into it, and what becomes of freed memory: kept for the next allocation, or given back."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from ..errors import InputError

try:
    import resource

    ULIMITS = ((resource.RLIMIT_AS, 0, "-v"), (resource.RLIMIT_DATA, 5, "-d"))
    """Each limit with the column of `/proc/self/statm` that it is of, and the option of `ulimit`."""
except ImportError:  # not a POSIX system
    ULIMITS = ()  # type: ignore[assignment]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h
MIB, GIB = 2**20, 2**30

_lock = Lock()
_depth = 0
"""How many bodies of `keep_freed_memory` run now."""


@dataclass(frozen=True)
class Limit:
    """Bytes that this process may use at most, and who says so."""

    size: int
    of: str


def require_memory(count: int, resolution: int) -> None:
    """Raise `InputError` ("data.memory") where `count` colour images would take over half of what this process may use:
    of the machine, of its control group (a container, a job) or of `ulimit`, whichever is the least."""
    needed = count * 3 * resolution**2
    least = min(memory_limits(), key=lambda limit: limit.size, default=None)
    if least and needed > least.size / 2:
        raise InputError(
            f"{count} images of {resolution} px take {needed / GIB:.2g} GiB, over half of the "
            f"{least.size / GIB:.2g} GiB of {least.of}: use a smaller resolution or fewer images",
            code="data.memory",
            images=count,
            resolution=resolution,
            memory=least.size,
            limit=least.of,
        )


def fits_memory(count: int, resolution: int, most: int | None = None) -> bool:
    """Whether `count` colour images take at most `most` bytes; by default half of what this process may use, as
    `require_memory` says, shared with the other processes of a torchrun on this machine."""
    if most is None:
        least = min((limit.size for limit in memory_limits()), default=None)
        most = None if least is None else least // 2 // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return most is None or count * 3 * resolution**2 <= most


def memory_limits(root: Path = Path("/")) -> Iterator[Limit]:
    """Every limit that is known: fewer or none on a system that is not POSIX. `root` has the folders proc and sys."""
    if hasattr(os, "sysconf"):
        yield Limit(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), "this machine")
    yield from _address_limits(root)
    for path in _control_files(root):
        with suppress(OSError, ValueError):  # absent; or "max", which is none
            yield Limit(int(path.read_text()), f"its control group ({path.name})")


def _address_limits(root: Path) -> Iterator[Limit]:
    """What is left of the limits of `ulimit`, which count what is mapped, as libraries are, too."""
    pages = [0] * 7
    with suppress(OSError, ValueError):
        pages = [int(word) for word in (root / "proc/self/statm").read_text().split()]
    for kind, column, option in ULIMITS:
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            yield Limit(max(0, soft - pages[column] * resource.getpagesize()), f"what ulimit {option} leaves")


def _control_files(root: Path) -> Iterator[Path]:
    """The files that may hold a limit of the control group of this process, or of one that it is in: of version 2 (one
    tree for everything) and 1 (a tree for memory). In a container the innermost may be what is mounted at the top."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounted = root / "sys/fs/cgroup"
    trees: tuple[Path, ...]
    for line in lines:
        _, controllers, place = line.split(":", 2)
        group = Path(place.strip("/"))
        if not controllers:
            trees, name = (mounted, mounted / "unified"), "memory.max"
        elif "memory" in controllers.split(","):
            trees, name = (mounted / "memory",), "memory.limit_in_bytes"
        else:
            continue
        yield from (tree / part / name for tree in trees for part in (group, *group.parents))


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


def give_back_freed_memory() -> None:
    """Have glibc give what is free in its heaps back to the system, where it is glibc.

    Listing 100,000 images leaves 400 MB of freed blocks between others, which this process would hold to its end, and
    every process that it starts to decode images for a while.
    """
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def _set_thresholds(mmap: int, trim: int) -> bool:
    """Have glibc map blocks from `mmap` bytes on alone, and give the heap's end back from `trim` free bytes on."""
    mallopt = _of_glibc("mallopt")
    return bool(mallopt and mallopt(M_MMAP_THRESHOLD, mmap) and mallopt(M_TRIM_THRESHOLD, trim))


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of the C library, where it has it."""
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None
