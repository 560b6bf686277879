"""The wheel holds all that a demo far from the sources needs."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hwnas
from hwnas.space import registry
from hwnas.space.zoo import mobilenet_v2

ROOT = Path(hwnas.__file__).parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of these sources."""
    out, sources = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("sources")  # a build writes beside them
    for name in ("hwnas", "latency_tables"):
        shutil.copytree(ROOT.parent / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT.parent / name, sources)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(sources)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A function that runs Python code in another folder, with the hwnas of the wheel; returns what it prints."""
    site, elsewhere = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("elsewhere")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--target", site, wheel]
    subprocess.run(pip, check=True, capture_output=True)
    (elsewhere / "net.json").write_text(json.dumps(mobilenet_v2(0.35, 10, 32).to_json()))

    def run(code, *words):
        ours = f"import hwnas; assert hwnas.__file__ == {str(site / 'hwnas' / '__init__.py')!r}, hwnas.__file__"
        command = [sys.executable, "-P", "-c", f"{ours}\n{code}", *words]
        environment = {**os.environ, "PYTHONPATH": str(site)}
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_wheel_holds_every_module_and_the_data(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    ours = {str(Path("hwnas") / path.relative_to(ROOT)) for path in ROOT.rglob("*") if path.is_file()}
    assert {name for name in ours if "__pycache__" not in name} <= inside
    assert any(name.endswith("train-images-idx3-ubyte.gz") for name in inside)
    assert {f"hwnas/latency_tables/{path.name}" for path in (ROOT.parent / "latency_tables").iterdir()} <= inside
    assert {"hwnas/py.typed", "hwnas/latency_tables/pixel3.fbnet.json", "hwnas/latency_tables/README.md"} <= inside
    assert not any(name.startswith(("tests", "benchmarks", "export", "latency_tables")) for name in inside)


def test_the_commands_run_from_the_wheel(installed):
    found = json.loads(installed("from hwnas.cli import main; main()", "spaces", "--json"))
    assert [space["name"] for space in found] == list(registry.SPACES)


def test_the_tables_of_the_wheel_are_listed_as_those_of_the_checkout_are(installed):
    names = {row["name"] for row in json.loads(installed("from hwnas.cli import main; main()", "tables", "--json"))}
    assert names == {path.stem for path in (ROOT.parent / "latency_tables").glob("*.json")}


def test_the_tables_of_the_wheel_predict(installed):
    words = ("predict", "--table", "pixel3.fbnet", "--arch", "-".join("2" * 22), "--json")
    found = json.loads(installed("from hwnas.cli import main; main()", *words))
    assert found["device"]["model"] == "Google Pixel 3"
    (network,) = found["networks"]
    assert 0 < network["low"] <= network["ms"] <= network["high"]


def test_the_runner_of_the_wheel_measures(installed):
    words = ("measure", "net.json", "--json", "--time-limit", "1")
    found = json.loads(installed("from hwnas.cli import main; main()", *words))
    assert found["device"]["runtime"] == "onnxruntime"
    assert 0 < found["latency"]["low"] <= found["latency"]["ms"] <= found["latency"]["high"]


def test_the_packaged_images_are_read_from_the_wheel(installed):
    code = """
from hwnas.training.data import load
found = load(progress=False)
print(found.name, len(found.labels), *found.train.images.shape[1:], len(found.test) > 0, found.fingerprint)
"""
    from hwnas.training.data import load

    assert installed(code).split() == [
        "fashion-mnist-small",
        "10",
        "3",
        "32",
        "32",
        "True",
        load(progress=False).fingerprint,
    ]
