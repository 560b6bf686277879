"""What the runner says of an NVIDIA GPU, and the conversation where one runs the models. No GPU is needed."""

import subprocess
import sys

import pytest
import real_sshd
import torch

from hwnas import devices
from hwnas.devices import nvidia_gpu, runner
from hwnas.devices.spec import DeviceFile
from hwnas.testing import refused

RUNTIMES = [{"kind": "tensorrt"}, {"kind": "tensorrt", "package": "tensorrt-rtx"}, {"kind": "torch-cuda"}]
NOWHERE = {"mhz": None, "celsius": None, "throttled": None}


@pytest.fixture
def told(tmp_path, monkeypatch):
    """Put a program on the path that is called nvidia-smi and says what it is told to."""

    def say(words):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho '{words}'\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))

    return say


class Backend:
    """A backend whose models take as many seconds as their path says."""

    gpu, name, runtime, version = "GPU-0", "Some GPU", "some", "1"

    def __init__(self):
        self.closed = []

    def load(self, path):
        model = Backend()
        model.time = lambda repeats: [float(path)] * repeats
        model.close = lambda: self.closed.append(path)
        return model


def test_a_gpu_is_described(told):
    told("Its Name, 580.1, 2100")
    about = nvidia_gpu.Gpu(Backend()).describe()
    assert (about["model"], about["chip"], about["driver"], about["max_mhz"]) == ("Some GPU", "Some GPU", "580.1", 2100)
    assert nvidia_gpu.Gpu(object()).describe()["model"] == "Its Name"


def test_a_gpu_that_nobody_knows(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError):
        nvidia_gpu.Gpu(object()).describe()
    assert nvidia_gpu.Gpu(Backend()).describe()["max_mhz"] is None  # such as a Jetson's


@pytest.mark.parametrize(
    ("reasons", "throttled"),
    [("0x0000000000000000", False), ("0x0000000000000001", False), ("0x0000000000000004", True), ("0x40", True)],
)
def test_only_heat_and_power_throttle(told, reasons, throttled):
    told(f"1980, 61, {reasons}")
    assert nvidia_gpu.Gpu(Backend()).state() == {"mhz": 1980.0, "celsius": 61.0, "throttled": throttled}


def test_what_is_not_told_is_none(told, monkeypatch):
    for mhz, reasons in (("[N/A]", "[Not Supported]"), ("[Unknown Error]", "N/A"), ("fast", "")):
        told(f"{mhz}, 61, {reasons}")
        assert nvidia_gpu.Gpu(Backend()).state() == {**NOWHERE, "celsius": 61.0}
    monkeypatch.setenv("PATH", "")
    assert nvidia_gpu.Gpu(Backend()).state() == NOWHERE


def test_a_model_is_closed_when_it_is_unloaded_or_loaded_over():
    running = object.__new__(runner.Runner)
    running.backend, running.models = Backend(), {}
    ask = running.answer
    ask({"do": "load", "key": "a", "path": "1"})
    ask({"do": "load", "key": "a", "path": "2"})
    assert running.backend.closed == ["1"]
    assert ask({"do": "time", "visits": [["a", 2], ["a", 1]]}) == {"seconds": [[2.0, 2.0], [2.0]]}
    ask({"do": "unload", "key": "a"})
    assert running.backend.closed == ["1", "2"]
    with pytest.raises(KeyError):
        ask({"do": "unload", "key": "a"})


def test_what_a_library_prints_is_no_answer(tmp_path):
    (tmp_path / "loud.py").write_text(
        "import os\nclass Backend:\n    runtime = version = ''\n    name = 'G'\n    def __init__(self, threads): pass\n"
        "    def load(self, path):\n        print('hello', flush=True), os.system('echo hello')\n"
    )
    for gpu in ([], ["--gpu", nvidia_gpu.__file__]):
        command = [sys.executable, "-P", runner.__file__, *gpu, str(tmp_path / "loud.py")]
        requests = '{"do": "load", "key": "a", "path": "p"}\nnonsense\n{"do": "dance"}\n'
        found = subprocess.run(command, input=requests, capture_output=True, text=True, check=True)
        first, *answers = found.stdout.splitlines()
        assert '"threads": 1' in first
        assert ('"model": "G"' in first) == bool(gpu)
        assert answers[0] == "{}"
        assert "Expecting value" in answers[1]
        assert answers[2] == '{"error": "no such request: dance"}'
        assert found.stderr.count("hello") == 2


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: " ".join(runtime.values()))
def test_no_gpu_is_one_line(runtime):
    file = DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": runtime}, "file")
    with refused("device.cannot-start", device="gpu") as refusal, devices.build(file):
        pass
    assert refusal.message.endswith("no CUDA GPU here")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_both_files_of_the_runner_go_by_ssh(tmp_path):
    real_sshd.require()
    with real_sshd.Sshd(tmp_path) as sshd:
        there = sshd.transport(folder=str(tmp_path / "there"))
        file = DeviceFile.parse({"schema": 1, "name": "gpu", "transport": there, "runtime": RUNTIMES[1]}, "file")
        with refused("device.cannot-start", device="gpu") as refusal, devices.build(file):
            pass
        assert refusal.message.endswith("no CUDA GPU here")
