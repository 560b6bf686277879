"""What both GPU runtimes share: what nvidia-smi tells, and the conversation. No GPU is needed."""

import subprocess
import sys

import pytest
import real_sshd
import torch

from hwnas import devices
from hwnas.devices import gpu_runner
from hwnas.devices.spec import DeviceFile
from hwnas.errors import DeviceError

RUNTIMES = [{"kind": "tensorrt"}, {"kind": "tensorrt", "package": "tensorrt-rtx"}, {"kind": "torch-cuda"}]


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Put a program on the path that is called nvidia-smi and says what it is told to."""

    def say(words):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return say


class Machine:
    """A machine whose models take as many seconds as their path says."""

    gpu, name, runtime, version = "GPU-0", "Some GPU", "some", "1"

    def __init__(self):
        self.closed = []

    def load(self, path):
        model = Machine()
        model.time = lambda repeats: [float(path)] * repeats
        model.close = lambda: self.closed.append(path)
        return model


def test_a_gpu_is_described(told):
    told("580.1, 2100")
    about = gpu_runner.describe(Machine())
    assert (about["model"], about["chip"], about["driver"], about["max_mhz"]) == ("Some GPU", "Some GPU", "580.1", 2100)


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [("0x0000000000000000", False), ("0x0000000000000001", False), ("0x0000000000000004", True), ("0x40", True)],
)
def test_only_heat_and_power_throttle(told, reasons, throttled):
    told(f"1980, 61, {reasons}")
    assert gpu_runner.state("GPU-0") == {"mhz": 1980.0, "celsius": 61.0, "throttled": throttled}


def test_what_is_not_told_is_none(told, monkeypatch):
    for mhz, reasons in (("[N/A]", "[Not Supported]"), ("[Unknown Error]", "N/A"), ("fast", "")):
        told(f"{mhz}, 61, {reasons}")
        assert gpu_runner.state("GPU-0") == {"mhz": None, "celsius": 61.0, "throttled": None}
    monkeypatch.setenv("PATH", "")
    assert gpu_runner.state("GPU-0") == {"mhz": None, "celsius": None, "throttled": None}


def test_a_model_is_closed_when_it_is_unloaded_or_loaded_over():
    machine, models = Machine(), {}

    def ask(**request):
        return gpu_runner.answer(machine, models, request)

    ask(do="load", key="a", path="1")
    ask(do="load", key="a", path="2")
    assert machine.closed == ["1"]
    assert ask(do="time", visits=[["a", 2], ["a", 1]]) == {"seconds": [[2.0, 2.0], [2.0]]}
    ask(do="unload", key="a")
    assert machine.closed == ["1", "2"]
    with pytest.raises(KeyError):
        ask(do="unload", key="a")


def test_what_a_library_prints_is_no_answer(tmp_path):
    (tmp_path / "loud.py").write_text(
        "import os\nclass Machine:\n    gpu = name = runtime = version = ''\n"
        "    def load(self, path):\n        print('hello', flush=True), os.system('echo hello')\n"
    )
    command = [sys.executable, gpu_runner.__file__, str(tmp_path / "loud.py")]
    requests = '{"do": "load", "key": "a", "path": "p"}\nnonsense\n{"do": "dance"}\n'
    said = subprocess.run(command, input=requests, capture_output=True, text=True, check=True)
    first, *answers = said.stdout.splitlines()
    assert '"threads": 1' in first
    assert answers[0] == "{}"
    assert "Expecting value" in answers[1]
    assert answers[2] == '{"error": "no such request: dance"}'
    assert said.stderr.count("hello") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: " ".join(runtime.values()))
def test_no_gpu_is_one_line(runtime):
    file = DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": runtime}, "file")
    with pytest.raises(DeviceError, match=r"^device gpu: no CUDA GPU here$"), devices.of(file):
        pass


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_both_files_of_the_runner_go_by_ssh(tmp_path):
    real_sshd.require()
    with real_sshd.Sshd(tmp_path) as sshd:
        there = sshd.transport(folder=str(tmp_path / "there"))
        file = DeviceFile.parse({"schema": 1, "name": "gpu", "transport": there, "runtime": RUNTIMES[1]}, "file")
        with pytest.raises(DeviceError, match=r"^device gpu: no CUDA GPU here$"), devices.of(file):
            pass
