"""A phone behind the fake adb server: what Android's own programs and its kernel say, and programs that run models."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fake_adb import FakeAdb

from hwnas.devices.adb import Adb
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.process import RunnerDevice

KHZ = {0: 1766400, 1: 1766400, 2: 2803200, 3: 2803200}
PROPERTIES = """[ro.board.platform]: [sdm845]
[ro.build.version.release]: [12]
[ro.product.manufacturer]: [Google]
[ro.product.model]: [Pixel 3]
"""
THERMAL = """IsStatusOverride: false
Thermal Status: 0
Cached temperatures:
\tTemperature{mValue=88.0, mType=0, mName=cpu0, mStatus=0}
HAL Ready: true
Current temperatures from HAL:
\tTemperature{mValue=-99.9, mType=5, mName=PA, mStatus=0}
\tTemperature{mValue=41.25, mType=0, mName=cpu0, mStatus=0}
\tTemperature{mValue=31.0, mType=3, mName=skin, mStatus=0}
\tTemperature{mValue=4100.0, mType=6, mName=vbat, mStatus=0}
Current cooling devices from HAL:
\tCoolingDevice{mValue=99, mType=2, mName=fan}
"""


def program(folder: Path, name: str, text: str) -> Path:
    """A program on the phone's PATH."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def tells(folder: Path, name: str, text: str) -> None:
    """A program on the phone's PATH that prints `text`."""
    (folder / f"{name}.txt").write_text(text)
    program(folder, name, f"#!/bin/sh\ncat {folder}/{name}.txt\n")


def kernel(folder: Path, path: str, text: object) -> None:
    """A file below the phone's /sys."""
    file = folder / "sys" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


@contextmanager
def fake_phone(folder: Path) -> Iterator[FakeAdb]:
    """An adb server with one phone, which has two slow and two fast cores."""
    folder.mkdir()
    for core, khz in KHZ.items():
        for name, value in (("cpuinfo_max_freq", khz), ("scaling_cur_freq", khz // 2), ("scaling_governor", "walt")):
            kernel(folder, f"devices/system/cpu/cpu{core}/cpufreq/{name}", value)
    tells(folder, "getprop", PROPERTIES)
    tells(folder, "dumpsys", THERMAL)
    # Android's own knows a mask of hexadecimal digits and nothing else.
    mask = f'#!/bin/sh\necho "$1" >{folder}/mask\ncase "$1" in *[!0-9a-f]*) exit 1;; esac\nshift\nexec "$@"\n'
    program(folder, "taskset", mask)
    with FakeAdb(folder) as server:
        yield server


def phone(adb, runtime=None, **fields) -> RunnerDevice:
    """The phone behind the server, under Python unless `fields` name the other program."""
    fields = {"python": sys.executable} | fields if "perf_test" not in fields else fields
    runtime = runtime or OnnxRuntime()
    transport = Adb(port=adb.port, folder=str(adb.folder / "tmp"), timeout="20 s", **fields)
    return RunnerDevice("phone", transport.channel(runtime), runtime)
