"""The commands as a person meets them: help with examples, JSON for scripts, one line and exit code 2 for mistakes."""

import importlib
import json
import re
import shutil
import sys
from dataclasses import replace

import pytest

from hwnas import cli
from hwnas.deploy.bundle import CLAIMED, MANIFEST, Latency, Manifest, write_bundle
from hwnas.errors import VerificationError

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
    slots = {space["name"]: space["slots"] for space in json.loads(out)}
    assert slots == {"proxyless": 21, "proxyless-32": 9, "fbnet": 22}
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


@pytest.fixture
def failing(monkeypatch):
    """A function that makes a stage raise an exception."""

    def fail(stage, error):
        def raising(*args, **kwargs):
            raise error

        monkeypatch.setattr(importlib.import_module(f"hwnas.pipeline.{stage}"), stage, raising)

    return fail


@pytest.mark.parametrize("words", ["verify bundle", "export run"])
def test_a_claim_that_does_not_hold_is_one_line_and_exit_code_1(hwnas, failing, words):
    failing(words.split()[0], VerificationError("top1 is 0.5, not 0.9"))
    assert hwnas(*words.split()) == (1, "", "hwnas: top1 is 0.5, not 0.9\n")


@pytest.mark.parametrize("words", ["demo", "profile", "search --table t.json --latency 1", "train net.json"])
def test_ctrl_c_is_one_line_and_exit_code_130(hwnas, failing, words):
    failing(words.split()[0], KeyboardInterrupt())
    code, out, errors = hwnas(*words.split())
    assert (code, out) == (130, "")
    (line,) = errors.strip().splitlines()  # under the ^C of the terminal
    assert line.startswith("hwnas: stopped")


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def foreign(table):
    return replace(table, device=replace(table.device, model="Another CPU"))


def without_a_row(table):
    return replace(table, rows=dict(list(table.rows.items())[:-1]))


def one_class(images):
    shutil.rmtree(images / "green")
    shutil.rmtree(images / "blue")


def unreadable(images):
    path = images / "green" / "7.png"
    path.write_bytes(path.read_bytes()[:100])


@pytest.fixture
def searching(hwnas, made_up_table, images, tmp_path):
    """A function that searches with `changes` to a good call and returns its error, all files being as before.

    `table` and `data` make another table, or change the images; `text` changes the table's file.
    """

    def search(table=lambda table: table, text=lambda text: text, data=lambda images: None, latency=5, out="out"):
        table(made_up_table()).save(tmp_path / "t.json")
        (tmp_path / "t.json").write_text(text((tmp_path / "t.json").read_text()))
        data(shutil.copytree(images, tmp_path / "images"))
        before = contents(tmp_path)
        code, printed, errors = hwnas(
            "search", "--table", "t.json", "--latency", latency, "--data", "images", "--out", out, "--steps", 1,
            "--warmup-steps", 0, "--threads", 1,
        )  # fmt: skip
        assert (code, printed) == (2, "")
        assert contents(tmp_path) == before
        assert errors.startswith("hwnas: ")
        assert len(errors.splitlines()) == 1
        return errors

    return search


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency": -3}, "above 0, not -3"),
        ({"latency": "nan"}, "above 0, not nan"),
        ({"latency": "fast"}, "--latency"),
        ({"latency": 1e-3}, "0.001 ms is under the fastest network"),
        ({"latency": 1e6}, "1e+06 ms is over the slowest network"),
        ({"table": foreign}, "model: Another CPU"),
        ({"table": lambda table: replace(table, space="proxyless")}, "space: proxyless of 3 classes"),
        ({"table": lambda table: replace(table, space="imagenet")}, "no search space 'imagenet'"),
        ({"table": lambda table: replace(table, fingerprint="0")}, "of another version"),
        ({"table": without_a_row}, "the latency table has no row for "),
        ({"text": lambda text: text[: len(text) // 2]}, "t.json is not a whole latency table"),
        ({"text": lambda text: text.replace("0.15", "0.14", 1)}, "t.json was changed after it was measured"),
        ({"text": lambda text: text.replace('"schema": 1', '"schema": 99')}, "not a latency table of schema 1"),
        ({"data": one_class}, "has only one class, red"),
        ({"data": unreadable}, "cannot read the image images/green/7.png"),
        ({"out": "images"}, "images exists and is not empty"),
        ({"out": "t.json"}, "t.json exists and is not empty"),
    ],
    ids=str,
)
def test_a_search_that_cannot_be_is_one_line_and_damages_nothing(searching, changes, message):
    assert message in searching(**changes)


@pytest.mark.parametrize("name", [*CLAIMED, MANIFEST])
def test_a_bundle_with_a_changed_byte_is_one_line_naming_the_file(hwnas, made_up_table, tmp_path, name):
    table = made_up_table()
    manifest = Manifest(
        name="tiny", date=table.date, data="fashion-mnist-small", fingerprint="0", top1=0.9, onnx_top1=0.9,
        max_abs_logit_diff=0.0, latency=Latency(table.device, table.reference, table.pace), versions={}, files={},
    )  # fmt: skip
    write_bundle(tmp_path / "tiny", {name: f"made-up {name}".encode() for name in CLAIMED}, manifest)
    data = bytearray((tmp_path / "tiny" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "tiny" / name).write_bytes(data)
    before = contents(tmp_path)
    code, out, errors = hwnas("verify", "tiny")
    assert (code, out) == (1, "")
    assert errors.startswith(f"hwnas: {name} was changed")
    assert len(errors.splitlines()) == 1
    assert contents(tmp_path) == before
