"""The commands as a person meets them: help with examples, JSON for scripts, one line and exit code 2 for mistakes."""

import json
import re
import sys

import pytest

from hwnas import cli

STAGES = ["profile", "search", "train", "export", "measure", "verify", "demo"]


@pytest.fixture
def hwnas(monkeypatch, capsys, tmp_path):
    """A function that runs a command line in an empty folder: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["hwnas", *map(str, words)])
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        return (code, *capsys.readouterr())

    return run


def test_help_lists_the_stages_in_order(hwnas):
    code, out, _ = hwnas("--help")
    assert code == 0
    assert re.findall(r"^\W*(\w+)  ", out.split("Commands")[1], re.MULTILINE) == [*STAGES, "spaces", "devices"]


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_has_help_with_an_example_and_json(hwnas, stage):
    code, out, _ = hwnas(stage, "--help")
    assert code == 0
    assert f"Example: hwnas {stage}" in out
    assert "--json" in out


def test_lists_as_json(hwnas):
    _, out, _ = hwnas("spaces", "--json")
    assert [(space["name"], space["slots"]) for space in json.loads(out)] == [("proxyless", 21), ("proxyless-32", 9)]
    _, out, _ = hwnas("devices", "--json")
    (cpu,) = json.loads(out)
    assert (cpu["name"], cpu["runtime"], cpu["threads"]) == ("cpu", "onnxruntime", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("profil", "No such command 'profil'"),
        ("search --table t.json --latency fast", "--latency"),
        ("search --table t.json", "--latency"),
        ("search --table none.json --latency 1", "cannot read latency table none.json"),
        ("search --table cut.json --latency 1", "cut.json is not a whole latency table"),
        ("profile --space imagenet", "no search space 'imagenet': there are proxyless, proxyless-32"),
        ("profile --device toaster", "no device 'toaster': there are cpu"),
        ("profile --threads 0", "at least 1 thread"),
        ("profile --classes 1", "at least 2 classes"),
        ("profile --precision 0 --out p.json", "must both be above 0"),
        ("profile --checks 2", "at least 3"),
        ("train none.json", "cannot read network none.json"),
        ("train cut.json", "cut.json is not a whole network"),
        ("export nowhere", "nowhere"),
        ("measure none.onnx", "none.onnx is not a file"),
        ("measure cut.json", "cut.json is not a whole network"),
        ("verify nowhere", "nowhere is not a folder with a bundle"),
        ("demo --seeds 0", "--seeds"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(hwnas, tmp_path, words, message):
    (tmp_path / "cut.json").write_text('{"schema": 1, "rows": {')
    before = sorted(tmp_path.rglob("*"))
    code, out, errors = hwnas(*words.split())
    assert (code, out) == (2, "")
    assert message in errors
    assert errors.startswith("hwnas: ")
    assert len(errors.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "cut.json").read_text() == '{"schema": 1, "rows": {'


def test_a_model_that_the_runtime_cannot_read_is_one_line(hwnas, tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    code, _, errors = hwnas("measure", "junk.onnx")
    assert code == 2
    assert len(errors.splitlines()) == 1


def test_measure_as_json(hwnas, tmp_path):
    from hwnas.space.zoo import mobilenet_v2

    (tmp_path / "net.json").write_text(json.dumps(mobilenet_v2(0.35, 10, 32).to_json()))
    code, out, _ = hwnas("measure", "net.json", "--json", "--time-limit", 1)
    found = json.loads(out)
    assert code == 0
    assert 0 < found["latency"]["low"] <= found["latency"]["ms"] <= found["latency"]["high"]
    assert found["device"]["runtime"] == "onnxruntime"
