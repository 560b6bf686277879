"""A base install: profile, predict, measure, tables, spaces, zoo and devices need none of the heavy packages."""

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "timm", "onnxscript", "plotly", "PIL")

PREAMBLE = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Refuse())
"""

SOURCE = """
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot

slot = Slot(tuple(Block("mbconv", 8, 8, 8, 8, k, expansion=2, act="relu6", residual=True) for k in (3, 5)))
space = SearchSpace("mine", (Block("conv", 3, 8, 8, 8, 3), slot, slot, Block("classifier", 8, 5, 8, 8)))
"""


@pytest.fixture
def run(tmp_path):
    """Run Python code in an empty folder, in an interpreter that refuses the heavy packages; its output."""
    (tmp_path / "my.py").write_text(SOURCE)

    def run_code(code):
        done = subprocess.run([sys.executable, "-c", PREAMBLE + code], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_code


def command(words):
    return f"from hwnas.cli import main\nsys.argv = ['hwnas', *{words.split()!r}]\nmain()"


def test_the_heavy_packages_are_refused(run):
    assert run("try:\n    import torch\nexcept ModuleNotFoundError as error:\n    print(error.name)") == "torch\n"


def test_profile_predict_and_measure(run):
    out = run(
        "import hwnas\n"
        "found = hwnas.profile('my.py:space', precision=0.5, networks=3, time_limit=0.2)\n"
        "predicted = hwnas.predict(found, ['0-1'], space='my.py:space').networks[0]\n"
        "measured = hwnas.measure('mobilenet_v3_small', time_limit=0.2)\n"
        "print(predicted.ms > 0, measured.latency.ms > 0)"
    )
    assert out == "True True\n"


@pytest.mark.parametrize(
    "words",
    [
        "tables --json",
        "tables show pixel3.fbnet --json",
        "tables diff pixel3.fbnet raspi4.fbnet --json",
        "spaces --json",
        "spaces show fbnet --table pixel3.fbnet --json",
        "zoo --json",
        "zoo show mnasnet1_0 --json",
        "devices --json",
        "predict --table pixel3.fbnet --arch 0-0-2-8-8-3-0-2-2-3-6-2-2-3-6-2-2-3-7-3-2-3 --json",
    ],
)
def test_commands(run, words):
    json.loads(run(command(words)))
