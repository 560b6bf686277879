"""Choose the cores to time on by what Linux tells of them, for `runner.py`. It needs Python (3.8 or later) alone."""

from __future__ import annotations

import os
from collections.abc import Iterable

CPUS = "/sys/devices/system/cpu"


def choose(threads: int, root: str = CPUS) -> tuple[list[int], str]:
    """`threads` of the cores that this process may use, and why these; none where the system cannot pin to them."""
    try:
        allowed = os.sched_getaffinity(0)
    except (AttributeError, OSError):
        return [], ""
    return select(allowed, threads, root)


def select(allowed: Iterable[int], threads: int, root: str = CPUS) -> tuple[list[int], str]:
    """`threads` of the cores `allowed`, of which the folder `root` tells, and why these.

    Two threads of one physical core share what is timed, so those of different ones come first; then the fastest, as
    others are for saving power; and of equal ones the last, which are far from interrupts on a server.
    """
    allowed = sorted(allowed)
    members: dict[str, list[int]] = {}
    for core in reversed(allowed):
        members.setdefault(physical(core, root), []).append(core)
    rank = {core: place for group in members.values() for place, core in enumerate(group)}
    capacity, clock = numbers(allowed, "cpu_capacity", root), numbers(allowed, "cpufreq/cpuinfo_max_freq", root)
    order = sorted(allowed, key=lambda core: (rank[core], -capacity[core], -clock[core], -core))
    chosen = sorted(order[:threads])
    if len(chosen) == len(allowed):
        return chosen, f"{ranges(chosen)}, which are all that the process may use"
    why = []
    if len(members) < len(allowed):
        few = f"more threads than the {len(members)} physical cores"
        why.append("one thread of each physical core" if threads <= len(members) else few)
    if len(set(capacity.values())) > 1:
        why.append("the highest capacity first")
    elif len(set(clock.values())) > 1:
        why.append("the highest clock first")
    return chosen, f"{ranges(chosen)} of {ranges(allowed)}: {', '.join([*why, 'of equal ones the last'])}"


def physical(core: int, root: str) -> str:
    """What tells the physical core of `core` from others: the list of its threads, or its number in its package."""
    folder = f"{root}/cpu{core}/topology"
    package, number = read(f"{folder}/physical_package_id"), read(f"{folder}/core_id")
    known = f"{package}:{number}" if package and number else f"cpu{core}"
    return read(f"{folder}/thread_siblings_list") or known


def numbers(cores: list[int], name: str, root: str) -> dict[int, int]:
    """The number in the file `name` of each core; 0 for all where some tell none, which compares with nothing."""
    texts = {core: read(f"{root}/cpu{core}/{name}") for core in cores}
    whole = all(text.isdigit() for text in texts.values())
    return {core: int(text) if whole else 0 for core, text in texts.items()}


def read(path: str) -> str:
    """The text of a small file of the operating system, empty where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def ranges(cores: list[int]) -> str:
    """Sorted numbers as a person writes them: 0-3,8."""
    found: list[list[int]] = []
    for core in cores:
        if found and core == found[-1][1] + 1:
            found[-1][1] = core
        else:
            found.append([core, core])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in found)
