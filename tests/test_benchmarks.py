"""The benchmarks keep up with hwnas: each is imported and says its options, and some take their first steps."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import hwnas

FOLDER = Path(hwnas.__file__).parents[1] / "benchmarks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))
LINES = 250

ASK_ALL = """
import contextlib, importlib.util, io, json, sys, traceback
from pathlib import Path

def ask(path):
    spec = importlib.util.spec_from_file_location(f"benchmark_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        if not hasattr(module, "argparse"):
            return [0, ""]
        sys.argv = [path.name, "--help"]
        with contextlib.redirect_stdout(io.StringIO()) as said:
            module.main()
    except SystemExit as end:
        return [end.code, said.getvalue()]
    except BaseException:
        return [1, traceback.format_exc()]

folder = Path(sys.argv[1])
sys.path.append(str(folder))  # last: its profile.py must not stand in for the standard one
print(json.dumps({path.stem: ask(path) for path in sorted(folder.glob("*.py"))}))
"""


@pytest.fixture(scope="module")
def answers():
    """What each benchmark answers to --help, [exit code, output]: of one process, as torch takes seconds to import."""
    done = subprocess.run([sys.executable, "-c", ASK_ALL, FOLDER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_says_its_options(name, answers):
    code, said = answers[name]
    assert code == 0, said
    assert not said or f"benchmarks/{name}.py" in said


RESULTS = sorted((FOLDER / "results").glob("*.json"))


@pytest.mark.parametrize("result", RESULTS, ids=[path.stem for path in RESULTS])
def test_a_result_names_its_command_and_make_bench_runs_it_or_the_readme_says_why_not(result):
    python, script, *options = shlex.split(json.loads(result.read_text())["command"])
    assert python == "python"
    assert (FOLDER.parent / script).is_file()
    assert options[options.index("--save") + 1] == f"benchmarks/results/{result.name}"
    told = (FOLDER.parent / "README.md").read_text().partition("`make bench` runs")[2].partition("\n\n")[0]
    assert script in (FOLDER.parent / "Makefile").read_text() or f"`{Path(script).name}`" in told


def test_no_benchmark_is_longer_than_one_idea():
    lines = {name: len((FOLDER / f"{name}.py").read_text().splitlines()) for name in NAMES}
    assert not {name: count for name, count in lines.items() if count > LINES}


FIRST_STEPS = """
import sys
from pathlib import Path

sys.path.append(sys.argv[1])
out = Path(sys.argv[2])

import torch
torch.set_num_threads(1)
import strategies, supernet_run, targets
from hwnas.latency.tables import find_table
from hwnas.progress import silent
from hwnas.space.layerwise import nas_bench_macro
from hwnas.strategies.limit import Limit
from hwnas.training.data import holdout, load

space, data = nas_bench_macro(width=0.25, resolution=16), load("fashion-mnist-small", 16)
for rule in ("uniform", "fair", "sandwich"):
    way = supernet_run.Way(rule, lr=0.01, batch_size=4)
    run = supernet_run.Run(space, way, data.train, data, 16, 0)
    run.go_on(run.steps, out / rule, silent)

targets.STEPS, targets.EVALUATIONS = {"warmup_steps": 1, "steps": 1}, 2
table = find_table(f"cpu.{targets.SPACE}")
fastest, slowest = targets.load_table(table).predictor(targets.registry.get(targets.SPACE)).range()
found = targets.searched("random", (fastest + slowest) / 2, table, data, out / "random", None)
assert 0.9 < found["of_target"] <= 1
found = targets.searched("proxyless", (fastest + slowest) / 2, table, data, out / "proxyless", None)
assert found["of_asked"] <= 1

strategies.ROUNDS = 3
assert strategies.seconds_of("random", Limit.none(space)) > 0
assert strategies.seconds_of("nas-rl", Limit.none(space)) > 0
"""


def test_some_benchmarks_take_their_first_steps(tmp_path):
    done = subprocess.run([sys.executable, "-c", FIRST_STEPS, FOLDER, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
