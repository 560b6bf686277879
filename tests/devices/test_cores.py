"""Which cores are taken: of machines whose topology stands in a folder, as Linux tells it."""

import os

import pytest

from hwnas import devices
from hwnas.devices import cores
from hwnas.devices.onnxruntime import OnnxRuntime


@pytest.fixture
def machine(tmp_path):
    """A function that writes what Linux tells of each core: `siblings`, `capacity` and `mhz`, each by core or None."""

    def make(count, siblings=None, capacity=None, mhz=None, ids=None):
        for core in range(count):
            files = {
                "topology/thread_siblings_list": siblings and siblings(core),
                "topology/core_id": ids and ids(core),
                "topology/physical_package_id": ids and 0,
                "cpu_capacity": capacity and capacity(core),
                "cpufreq/cpuinfo_max_freq": mhz and mhz(core) * 1000,
            }
            for name, text in files.items():
                if text is not None:
                    path = tmp_path / f"cpu{core}" / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"{text}\n")
        return str(tmp_path)

    return make


def adjacent(core):
    """Two threads a core, numbered one after the other."""
    return f"{core // 2 * 2}-{core // 2 * 2 + 1}"


def far(core):
    """Two threads a core, the second ones numbered after all first ones, of 8."""
    return f"{core % 4},{core % 4 + 4}"


def hybrid(core):
    """Four cores of two threads, then four of one, as Intel numbers them."""
    return adjacent(core) if core < 8 else core


@pytest.mark.parametrize(
    ("count", "threads", "options", "chosen", "why"),
    [
        (4, 1, {}, [3], "3 of 0-3: of equal ones the last"),
        (4, 3, {"siblings": str, "capacity": lambda core: 1024}, [1, 2, 3], "1-3 of 0-3: of equal ones the last"),
        (4, 4, {"siblings": str}, [0, 1, 2, 3], "0-3, which are all that the process may use"),
        (4, 9, {"siblings": str}, [0, 1, 2, 3], "0-3, which are all that the process may use"),
        (8, 2, {"siblings": adjacent}, [5, 7], "5,7 of 0-7: one thread of each physical core, of equal ones the last"),
        (8, 4, {"siblings": adjacent}, [1, 3, 5, 7], "one thread of each physical core"),
        (8, 5, {"siblings": adjacent}, [1, 3, 5, 6, 7], "more threads than the 4 physical cores"),
        (8, 4, {"siblings": far}, [4, 5, 6, 7], "4-7 of 0-7: one thread of each physical core"),
        (8, 2, {"ids": lambda core: core // 2}, [5, 7], "one thread of each physical core"),
        (8, 2, {"capacity": lambda core: 1024 if core < 2 else 446}, [0, 1], "the highest capacity first"),
        (8, 1, {"capacity": lambda core: (381, 892, 1024)[core // 3]}, [7], "the highest capacity first"),
        (8, 3, {"mhz": lambda core: 2800 if core < 2 else 1766}, [0, 1, 7], "the highest clock first"),
        (12, 1, {"siblings": hybrid, "mhz": lambda core: 5200 if core < 8 else 3900}, [7], "the highest clock first"),
        (12, 4, {"siblings": hybrid, "mhz": lambda core: 5200 if core < 8 else 3900}, [1, 3, 5, 7], "highest clock"),
        (
            12,
            5,
            {"siblings": hybrid, "mhz": lambda core: 5200 if core < 8 else 3900},
            [1, 3, 5, 7, 11],
            "each physical",
        ),
        (4, 1, {"capacity": lambda core: 1024, "mhz": lambda core: 3000 + 10 * (core == 1)}, [1], "highest clock"),
        (4, 1, {"capacity": lambda core: "?" if core == 2 else 1024 * (core == 0)}, [3], "of equal ones the last"),
        (4, 1, {"mhz": lambda core: 2000 + (core == 0) if core < 3 else 1}, [0], "the highest clock first"),
    ],
)
def test_the_cores_of_a_machine(machine, count, threads, options, chosen, why):
    found, said = cores.select(range(count), threads, machine(count, **options))
    assert found == chosen
    assert why in said


def test_only_what_the_process_may_use_counts(machine):
    """A container may have one thread of each core, or slow ones alone."""
    root = machine(12, siblings=hybrid, mhz=lambda core: 5200 if core < 8 else 3900)
    assert cores.select({0, 2, 9, 10}, 2, root)[0] == [0, 2]
    assert cores.select({8, 9, 10}, 2, root) == ([9, 10], "9-10 of 8-10: of equal ones the last")
    assert cores.select({0, 1}, 1, root)[0] == [1]


def test_a_system_that_cannot_pin(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert cores.choose(2) == ([], "")


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system pins to no cores")
def test_a_check_says_which_and_why():
    found = devices.check("cpu")
    wanted, why = cores.choose(1)
    assert found["info"]["cores"] == tuple(wanted)
    assert found["cores"] == why
    assert str(wanted[0]) in why


def test_cores_that_are_given_are_not_chosen():
    assert "--chooser" not in OnnxRuntime(cores=(1,)).command()
    assert OnnxRuntime().command()[3:5] == ["--chooser", devices.runtime.HERE / "cores.py"]
