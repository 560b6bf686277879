"""What a phone tells of itself, where it tells little or what cannot be."""

import pytest
from fake_phone import KHZ, kernel, tells

from hwnas.devices import android
from hwnas.devices.phone import Phone


@pytest.mark.parametrize(
    ("thermal", "expected"),
    [
        ("Thermal Status: 2\n", {"celsius": None, "throttled": True}),
        ("Can't find service: thermalservice\n", {"celsius": None, "throttled": None}),
        ("Thermal Status: 99999999999\n", {"celsius": None, "throttled": None}),
        (
            "Current temperatures from HAL:\nTemperature{mValue=9" + "9" * 400 + ", mType=0,\n",
            {"celsius": None, "throttled": None},
        ),
    ],
)
def test_a_phone_that_tells_little_or_nonsense(adb, thermal, expected):
    tells(adb.folder, "dumpsys", thermal)
    for core in KHZ:
        kernel(adb.folder, f"devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq", "fast")
    target = Phone("PHONE1", "127.0.0.1", adb.port, 20)
    assert android.state(target, (2, 3)) == {"mhz": None, **expected}


def test_sensors_of_the_kernel_where_android_has_none(adb):
    tells(adb.folder, "dumpsys", "")
    for zone, value in enumerate((38200, 45100, -40000, 999999, "broken")):
        kernel(adb.folder, f"class/thermal/thermal_zone{zone}/temp", value)
    assert android.state(Phone("PHONE1", "127.0.0.1", adb.port, 20), (2, 3))["celsius"] == 45.1


def test_a_phone_of_odd_words(adb):
    tells(adb.folder, "getprop", f"[ro.product.model]: [\x1b[31mred]\n[ro.product.manufacturer]: [{'x' * 5000}]\n")
    told = android.describe(Phone("PHONE1", "127.0.0.1", adb.port, 20), (2, 3))
    assert told["model"] == "?[31mred"
    assert told["os"].startswith("Android ? ")
