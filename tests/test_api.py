"""`import hwnas`: light, complete, and the same whatever was imported before."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hwnas

HEAVY = {"numpy", "onnx", "onnxruntime", "pydantic", "rich", "scipy", "tensorrt", "torch", "typer"}


def in_a_new_python(code):
    """What `code` prints as JSON, in a process that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_import_loads_nothing_heavy():
    loaded = in_a_new_python("import hwnas, sys, json; dir(hwnas); print(json.dumps(sorted(sys.modules)))")
    assert not HEAVY & set(loaded)


def test_everything_that_is_named_is_there():
    assert set(hwnas.__all__) <= set(dir(hwnas))
    for name in hwnas.__all__:
        found = getattr(hwnas, name)
        assert found.__doc__, name
        assert found is getattr(hwnas, name), name
    with pytest.raises(AttributeError, match="no_such_stage"):
        hwnas.no_such_stage  # noqa: B018


def test_modules_of_a_room_are_there_without_importing_them():
    code = """
import json, hwnas
there = "zoo" in dir(hwnas.space) and not hasattr(hwnas.space, "no_such_module")
print(json.dumps([hwnas.space.zoo.get("mobilenet_v2").name, hwnas.latency.table.__name__, there]))
"""
    assert in_a_new_python(code) == ["mobilenet_v2", "hwnas.latency.table", True]


def test_a_stage_is_a_function_though_a_room_has_its_name():
    code = """
import json
from hwnas.search import __doc__ as of_one_room
from hwnas.compare import __doc__ as of_the_other
import hwnas
from hwnas import compare, search
stages = [search, compare, hwnas.search, hwnas.compare]
print(json.dumps([callable(stage) for stage in stages] + [of_one_room != of_the_other]))
"""
    assert in_a_new_python(code) == [True] * 5


def test_errors_are_those_that_are_raised():
    with pytest.raises(hwnas.InputError) as raised:
        hwnas.measure("no-such-model")
    assert isinstance(raised.value, hwnas.HwnasError)
    assert raised.value.exit_code == 2


def test_the_version_has_one_source_and_types_are_shipped():
    root = Path(hwnas.__file__).parent
    project = tomllib.loads((root.parent / "pyproject.toml").read_text())
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "hwnas.__version__"}
    assert hwnas.__version__
    assert (root / "py.typed").is_file()
