"""Runtimes of others: ours keep the same contract, and one in a lone file is a device like any other."""

import shutil
import sys
from pathlib import Path

import pytest
import real_sshd

from hwnas import devices
from hwnas.devices.local import Local
from hwnas.devices.onnxruntime import OnnxRuntime
from hwnas.devices.process import RunnerDevice
from hwnas.devices.runtime import Runtime
from hwnas.references import allow, load_file
from hwnas.testing import refused
from hwnas.testing.runtimes import RuntimeContract

MINE = Path(__file__).parents[1] / "third_party" / "my_runtime.py"
PHONES = "\n\nclass OnPhones(MyRuntime):\n    phones = True\n"


class TestMine(RuntimeContract):
    runtime = load_file(MINE).MyRuntime()


class TestOnnxRuntime(RuntimeContract):
    runtime = OnnxRuntime()


class TestInt8(RuntimeContract):
    runtime = OnnxRuntime(precision="int8")


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A function that writes the file of a device that runs the lone file's runtime."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(MINE, "my_runtime.py")

    def write(runtime="my_runtime.py:MyRuntime", transport="{kind: local}"):
        Path("mine.yaml").write_text(f"schema: 1\nname: mine\ntransport: {transport}\nruntime: {{kind: '{runtime}'}}\n")
        return "mine.yaml"

    return write


def test_no_code_runs_because_a_file_names_it(file):
    ran = Path("my_runtime.py")
    ran.write_text("raise SystemExit('it ran')")
    with refused("reference.not-allowed", reference="my_runtime.py:MyRuntime"):
        devices.get(file())


def test_a_lone_file_is_a_device(file, model):
    with allow("my_runtime.py:MyRuntime"), devices.get(file()) as mine:
        assert (mine.info.device, mine.info.runtime, mine.info.threads) == ("mine", "onnx-reference", 1)
        mine.load("a", model)
        assert mine.time([("a", 2)])[0].shape == (2,)


@pytest.mark.parametrize("reference", ["my_runtime.py:Model", "my_runtime.py:Backend"])
def test_what_is_no_runtime_is_refused(file, reference):
    with allow(reference), refused("reference.wrong-kind", reference=reference):
        devices.get(file(reference))


def test_a_name_that_no_runtime_has(file):
    with refused("reference.unknown", reference="abacus"):
        devices.get(file("abacus"))


def test_a_runtime_without_a_backend_or_an_artifact(model):
    class Forgetful(Runtime):
        pass

    class Lost(OnnxRuntime):
        def artifact(self, model, folder):
            return folder / "absent"

    for runtime in (Forgetful(), type("Elsewhere", (Runtime,), {"backend": Path("absent.py")})()):
        with refused("runtime.no-backend", runtime=type(runtime).__name__):
            runtime.command()
    lost = Lost()
    device = RunnerDevice("lost", Local().channel(lost), lost)
    with device, refused("model.does-not-run", reason="runtime.no-artifact"):
        device.load("a", model)


def test_a_lone_file_goes_by_ssh(file, model, tmp_path):
    real_sshd.require()
    with real_sshd.Sshd(tmp_path) as sshd:
        there = sshd.transport(folder=str(tmp_path / "there"))
        Path("mine.yaml").write_text(
            f"schema: 1\nname: mine\ntransport: {there}\nruntime: {{kind: 'my_runtime.py:MyRuntime'}}\n"
        )
        with allow("my_runtime.py:MyRuntime"), devices.get("mine.yaml") as mine:
            mine.load("a", model)
            assert mine.time([("a", 2)])[0].shape == (2,)


def test_a_lone_file_runs_on_a_phone_if_it_is_marked(file, model, adb):
    with Path("my_runtime.py").open("a") as mine:
        mine.write(PHONES)
    transport = f"{{kind: adb, port: {adb.port}, folder: {adb.folder}/tmp, python: {sys.executable}, timeout: 20 s}}"
    with allow("my_runtime.py:OnPhones", "my_runtime.py:MyRuntime"):
        with refused("device.no-phone-runtime", runtime="MyRuntime"):
            devices.get(file(transport=transport))
        with devices.get(file("my_runtime.py:OnPhones", transport)) as phone:
            assert (phone.info.runtime, phone.info.model) == ("onnx-reference", "Google Pixel 3")
            phone.load("a", model)
            assert phone.time([("a", 2)])[0].shape == (2,)
