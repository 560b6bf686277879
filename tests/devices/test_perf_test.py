"""onnxruntime's own benchmark program in place of a runner: a stand-in that works, and ones that lie or fail."""

from pathlib import Path

import pytest
from fake_phone import phone, program

from hwnas.devices.perf_test import WARM_UP
from hwnas.testing import refused


def test_perf_test_that_is_absent(adb):
    with refused("device.no-program", program="/no/such/program"), phone(adb, perf_test="/no/such/program"):
        pass


def test_perf_test_tells_which_build_it_is(adb, perf_test):
    with phone(adb, perf_test=perf_test) as device:
        version = device.info.version
    Path(perf_test).write_text(Path(perf_test).read_text() + "\n# another build\n")
    with phone(adb, perf_test=perf_test) as device:
        assert device.info.version != version


def test_perf_test_cannot_break_down(adb, perf_test, model):
    with phone(adb, perf_test=perf_test) as device, refused("device.no-breakdown"):
        device.breakdown(model)


def test_a_model_that_does_not_run(adb, perf_test, model):
    model.write_bytes(model.read_bytes().replace(b"Conv", b"Cnov"))
    with phone(adb, perf_test=perf_test) as device, refused("model.does-not-run"):
        device.load("a", model)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ("m,nan,1,1,{run}", "answer"),
        ("m,-0.1,1,1,{run}", "answer"),
        ("m,soon,1,1,{run}", "failed"),
        ("m,0.1,1,1,7", "failed"),
        ("{run}", "failed"),
    ],
)
def test_perf_test_that_lies(adb, row, code, model):
    """Whatever is in the result file that is no list of as many times: one line, and no number from it."""
    lines = "".join(f'echo "{row.format(run=run)}" >>"$result"\n' for run in range(3 + WARM_UP))
    text = f'#!/bin/sh\nfor result; do :; done\ncase "$*" in *"-r 13"*)\n{lines};; *)\n'
    text += 'echo "m,1e-3,1,1,0" >>"$result";; esac\n'  # to load it is to run it once
    lying = str(program(adb.folder, "lying", text))
    with phone(adb, perf_test=lying) as device:
        device.load("a", model)
        with refused(f"device.{code}"):
            device.time([("a", 3)])
