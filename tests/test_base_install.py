"""A base install, which has no torch, profiles, predicts, lists and shows; what else is asked says what to install."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hwnas
from hwnas.install import EXTRAS

ROOT = Path(hwnas.__file__).parents[1]
SEARCH = sorted(package for package, extra in EXTRAS.items() if extra == "search")
ARCH = "-".join("2" * 22)


@pytest.fixture
def base(tmp_path):
    """A function that runs a command where no package of the extra `search` is: exit code, output, errors."""

    def run(*words):
        command = [sys.executable, Path(__file__).with_name("without.py"), ",".join(SEARCH), *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    "words",
    [
        ("spaces",),
        ("spaces", "show", "proxyless-32"),
        ("zoo",),
        ("zoo", "show", "mobilenet_v2"),
        ("devices",),
        ("tables",),
        ("tables", "show", "pixel3.fbnet"),
        ("strategies",),
        ("predict", "--table", "pixel3.fbnet", "--arch", ARCH),
    ],
    ids=" ".join,
)
def test_it_lists_shows_and_predicts(base, words):
    code, out, errors = base(*words, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)


@pytest.mark.serial
def test_it_profiles_a_device_and_measures_a_file(base):
    code, out, errors = base(
        "profile", "--space", "nas-bench-macro-16", "--time-limit", "1", "--out", "cpu.json", "--json"
    )
    assert (code, errors) == (0, "")
    assert json.loads(out)["rows"] > 0
    model = ROOT / "export" / "fashion-mnist-small" / "model.onnx"
    code, out, errors = base("measure", model, "--time-limit", "1", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["latency"]["ms"] > 0


@pytest.mark.parametrize(
    "words",
    [
        ("search", "--table", "pixel3.fbnet", "--latency", "25"),
        ("train", "net.json"),
        ("export", "runs/train"),
        ("verify", "export/net"),
        ("compare", "--table", "accuracies.json"),
        ("demo",),
    ],
    ids=lambda words: words[0],
)
def test_what_needs_more_says_in_one_line_what_to_install(base, words):
    code, out, errors = base(*words)
    assert (code, out) == (2, "")
    (line,) = errors.splitlines()
    assert line.endswith("pip install 'hwnas[search]'")


def test_a_stage_that_needs_more_says_so_in_python(tmp_path):
    code = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {SEARCH}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Missing())
import hwnas
try:
    hwnas.search
except hwnas.InputError as error:
    print(error.code, error.fields["extra"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("install.missing search\n", "")


@pytest.mark.parametrize("words", ["strategies", "spaces", "zoo", "tables", "devices", "--help"])
def test_a_listing_loads_no_torch(words, tmp_path):
    code = """
import sys
from hwnas.cli import main
try:
    main()
finally:
    print("torch" in sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, words], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "False"
