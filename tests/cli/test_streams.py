"""Standard streams that are closed, full or without some letters, and files whose names are no text."""

import json
import os
import subprocess
import sys

import pytest

from hwnas.latency.graph import save
from hwnas.space.net import Block
from hwnas.space.zoo import mobilenet_v2

ODD = os.fsdecode(b"caf\xe9")
"""A name in Latin-1, which is no UTF-8."""

SPACE = """
schema: 1
name: odd
source: this test
resolution: 16
classes: 2
activation: relu
stem: {channels: 8, stride: 2}
each: {kernels: [3], expansions: [1, 2], skip: true}
stages:
  - {channels: 8, layers: 2, stride: 2}
head: {channels: 16}
"""


def shell(words, **environment):
    """What `hwnas` does under a shell, where streams can be closed: (exit code, output, errors)."""
    command = ["sh", "-c", f'exec "{sys.executable}" -m hwnas {words}']
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    return ended.returncode, ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("zoo >&-", 0),
        ("zoo --json >&-", 0),
        ("zoo --json <&- >&- 2>&-", 0),
        ("zoo show none 2>&-", 2),
        ("zoo show none >&- 2>&-", 2),
    ],
)
def test_a_closed_stream_is_no_failure(words, code):
    assert shell(words) == (code, "", "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("devices --json >/dev/full", 1),
        ("zoo >/dev/full", 1),
        ("--help >/dev/full", 1),
        ("zoo show none 2>/dev/full", 0),
    ],
)
def test_a_full_stream_is_one_line(words, lines):
    code, _, errors = shell(words)
    assert (code, len(errors.splitlines())) == (2, lines)


def test_a_reader_that_goes_is_no_failure_of_ours():
    _, _, errors = shell("zoo --json | true")
    assert errors == ""


def test_letters_that_a_stream_has_not_are_escaped():
    code, out, errors = shell("zoo", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (code, errors) == (0, "")
    assert "mobilenet_v2" in out


@pytest.fixture
def block(tmp_path):
    """The file of a block, under a name that is no text."""
    return save(Block("conv", 4, 4, 6, 6, 3), tmp_path / f"{ODD}.onnx")


def test_names_that_are_no_text_are_measured(hwnas, block, tmp_path):
    (tmp_path / ODD).mkdir()
    block.rename(tmp_path / ODD / "m.onnx")
    code, out, errors = hwnas("measure", f"{ODD}/m.onnx", "--time-limit", 0.5, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["target"] == f"{ODD}/m.onnx"
    code, out, _ = hwnas("measure", f"{ODD}/m.onnx", "--time-limit", 0.5)
    assert code == 0
    assert "caf" in out


def test_names_that_are_no_text_are_profiled_and_listed(hwnas, tmp_path):
    (tmp_path / f"{ODD}.yaml").write_text(SPACE)
    (tmp_path / "latency_tables").mkdir()
    asked = ("--space", f"{ODD}.yaml", "--time-limit", 0.5, "--networks", 3)
    code, _, _ = hwnas("profile", *asked, "--out", f"latency_tables/{ODD}.JSON")
    assert code == 0
    code, out, errors = hwnas("tables", "--json")
    assert (code, errors) == (0, "")
    assert next(row for row in json.loads(out) if row["name"] == ODD)["space"] == f"{ODD}.yaml"
    code, out, errors = hwnas("--allow", f"{ODD}.yaml", "tables", "show", ODD, "--json")
    assert (code, errors) == (0, "")
    assert json.loads(out)["space"] == f"{ODD}.yaml"


@pytest.mark.parametrize(
    "words", ["measure", "zoo show", "devices check", "tables show", "spaces show", "profile --space"]
)
def test_a_name_that_is_no_text_is_told_in_one_line(refused, words):
    refused(*words.split(), ODD)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-8"])
def test_networks_are_read_in_the_encodings_of_windows(hwnas, tmp_path, encoding):
    text = json.dumps(mobilenet_v2(0.35, 2, 32).to_json())
    (tmp_path / "N.JSON").write_text(text, encoding=encoding)
    code, _, errors = hwnas("measure", "N.JSON", "--time-limit", 0.5)
    assert (code, errors) == (0, "")
