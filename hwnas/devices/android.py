"""Ask an Android phone what it is, which cores are fast, and how warm it is; what cannot be true is left out."""

import re
from collections.abc import Collection, Iterable
from typing import Any

from ..errors import DeviceError
from .answers import printable
from .phone import Phone

CPU = "/sys/devices/system/cpu"
CELSIUS = range(1, 150)
KHZ = range(10_000, 10_000_000)
"""What a sensor or a clock may say and still be believed."""

SENSORS = {0, 1, 2, 3, 4, 5, 9}
"""The sensor types of Android's thermal service that tell degrees; the others are volts, amperes and shares."""


def fast_cores(phone: Phone, threads: int) -> tuple[int, ...]:
    """The `threads` cores that reach the highest clocks. Raises `DeviceError` where the phone does not tell.

    Of equals the last ones: the first are those that the kernel serves interrupts on.
    """
    clocks = _clocks(phone, "cpuinfo_max_freq")
    if len(clocks) < threads:
        raise DeviceError(
            f"tells the clocks of {len(clocks)} cores: set cores to the numbers of {threads} of them",
            code="device.hidden-clocks",
            cores=len(clocks),
            threads=threads,
        )
    return tuple(sorted(sorted(clocks, key=lambda core: (clocks[core], core))[-threads:]))


def describe(phone: Phone, cores: Collection[int]) -> dict[str, Any]:
    """The fields of `DeviceInfo` that a phone knows better than a program on it."""
    found = re.findall(r"^\[([\w.]+)\]: \[([^\]\n]{1,100})\]", phone.shell("getprop")[1], re.MULTILINE)
    properties = {name: printable(value) for name, value in found}
    machine = re.fullmatch(r"(\w{1,20})\s*", phone.shell("uname -m")[1])
    names = [properties.get("ro.product.manufacturer", ""), properties.get("ro.product.model", "")]
    clocks = _clocks(phone, "cpuinfo_max_freq")
    governors = _cpufreq(phone, "scaling_governor")
    return {
        "model": " ".join(filter(None, names)) or "unknown phone",
        "chip": properties.get("ro.soc.model") or properties.get("ro.board.platform", ""),
        "os": f"Android {properties.get('ro.build.version.release', '?')} {machine[1] if machine else '?'}",
        "governor": " ".join(sorted({governors[core] for core in cores if core in governors})),
        "max_mhz": max((clocks[core] / 1000 for core in cores if core in clocks), default=None),
    }


def state(phone: Phone, cores: Collection[int]) -> dict[str, Any]:
    """The fields of `DeviceState`, None for what the phone does not tell or what cannot be."""
    now = _clocks(phone, "scaling_cur_freq")
    used = [now[core] / 1000 for core in cores if core in now]
    thermal = phone.shell("dumpsys thermalservice")[1]
    status = re.search(r"^Thermal Status: (\d)\s*$", thermal, re.MULTILINE)
    return {
        "mhz": sum(used) / len(used) if used else None,
        "celsius": max(_temperatures(thermal) or _zones(phone), default=None),
        "throttled": int(status[1]) > 0 if status else None,
    }


def _temperatures(thermal: str) -> list[float]:
    """Degrees that the thermal service reads from sensors now; those that it remembers are of some other time."""
    now = thermal.partition("Current temperatures from HAL:")[2].partition("Current cooling devices")[0]
    found = re.findall(r"Temperature\{mValue=(-?\d{1,4}(?:\.\d{1,9})?), mType=(\d{1,2}),", now)
    return _plausible(float(value) for value, kind in found if int(kind) in SENSORS)


def _zones(phone: Phone) -> list[float]:
    """Degrees of the kernel's own sensors, where the shell may read them."""
    output = phone.shell("cat /sys/class/thermal/thermal_zone*/temp 2>/dev/null")[1]
    return _plausible(int(value) / 1000 for value in re.findall(r"^\d{1,7}$", output, re.MULTILINE))


def _plausible(values: Iterable[float]) -> list[float]:
    return [value for value in values if CELSIUS.start <= value < CELSIUS.stop]


def _clocks(phone: Phone, name: str) -> dict[int, int]:
    """A clock in kHz by core."""
    clocks = {core: int(value) for core, value in _cpufreq(phone, name).items() if re.fullmatch(r"\d{1,8}", value)}
    return {core: khz for core, khz in clocks.items() if khz in KHZ}


def _cpufreq(phone: Phone, name: str) -> dict[int, str]:
    """One file of every core's frequency control. A core that is switched off has none."""
    # grep names the file of each line where there is more than one; /dev/null makes it so.
    output = phone.shell(f"grep . {CPU}/cpu[0-9]*/cpufreq/{name} /dev/null 2>/dev/null")[1]
    found = re.findall(rf"/cpu(\d{{1,3}})/cpufreq/{name}:([\w-]{{1,30}})$", output, re.MULTILINE)
    return {int(core): value for core, value in found}
