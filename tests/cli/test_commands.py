"""The commands as a person meets them: help with examples, JSON for scripts, one line and exit code 2 for mistakes."""

import importlib
import re
from pathlib import Path

import pytest

import hwnas as package
from hwnas.deploy.bundle import CLAIMED, MANIFEST, Latency, Manifest, write_bundle
from hwnas.errors import VerificationError

STAGES = ["profile", "search", "train", "export", "verify", "demo"]
FUNCTIONS = {"profile": "run_profile"}
"""What a command calls, where that has another name."""
COMMANDS = [*STAGES, "compare", "measure", "predict", "devices", "recipes", "spaces", "strategies", "tables", "zoo"]
NESTED = [*(f"{group} show" for group in ("recipes", "spaces", "strategies", "tables")), "devices check"]
NESTED += ["tables diff", "tables merge", "data check", "data pack"]


def test_help_lists_the_stages_in_order(hwnas):
    code, out, _ = hwnas("--help")
    assert code == 0
    assert re.findall(r"^\W*(\w+)  ", out.split("Commands")[1], re.MULTILINE) == [*COMMANDS, "data"]


@pytest.mark.parametrize("command", [*COMMANDS, *NESTED])
def test_every_command_has_help_with_an_example_and_json(hwnas, command):
    code, out, _ = hwnas(*command.split(), "--help")
    assert code == 0
    assert f"Example: hwnas {command}" in out
    assert "--json" in out


@pytest.mark.parametrize(
    "command",
    [
        "predict",
        "spaces",
        "strategies",
        "devices",
        "tables",
        "devices check",
        "spaces show",
        "strategies show",
        "tables show",
        "tables diff",
    ],
)
def test_the_example_works_in_the_repository(hwnas, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "300")
    _, out, _ = hwnas(*command.split(), "--help")
    (example,) = re.findall(r"Example: hwnas (.*?) *$", out, re.MULTILINE)
    monkeypatch.chdir(Path(package.__file__).parents[1])
    code, out, errors = hwnas(*example.split())
    assert (code, errors) == (0, "")
    assert out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("profil", "No such command 'profil'"),
        ("profile --space imagenet", "no search space 'imagenet'"),
        ("profile --device toaster", "no device 'toaster': there are cpu"),
        ("profile --device cut.yaml", "cut.yaml is not YAML"),
        ("profile --threads 0", "at least 1 thread"),
        ("profile --classes 1", "at least 2 classes"),
        ("profile --precision 0 --out p.json", "precision is 0"),
        ("profile --networks 2", "networks is 2"),
        ("profile --set netwoks=5", "nearest"),
        ("profile --networks 5 --set networks=6", "networks is set twice"),
        ("profile --within 3ms", "a share such as 3% or 0.03, not '3ms'"),
        ("profile --within 3", "a share such as 3% or 0.03, not '3'"),
        ("profile --within -3%", "a share such as 3% or 0.03, not '-3%'"),
        ("profile --within nan", "a share such as 3% or 0.03, not 'nan'"),
        ("profile --within %", "a share such as 3% or 0.03, not '%'"),
        ("train none.json", "cannot read network none.json"),
        ("train none.json --shift 1", "a share such as 3% or 0.03, not '1'"),
        ("train cut.json", "cut.json is not a whole network"),
        ("export nowhere", "nowhere"),
        ("verify nowhere", "nowhere is not a folder with a bundle"),
        ("demo --seeds 0", "--seeds"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, tmp_path, words, message):
    (tmp_path / "cut.json").write_text('{"schema": 1, "rows": {')
    (tmp_path / "cut.yaml").write_text("transport: {kind: ")
    assert message in refused(*words.split())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 77 bytes"),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    ],
)
def test_the_end_of_memory_is_one_line(refused, monkeypatch, error):
    def stage(*args, **options):
        raise error

    monkeypatch.setattr(importlib.import_module("hwnas.pipeline.train"), "train", stage)
    assert "out of memory" in refused("train", "net.json")


def test_a_mistake_of_ours_is_a_traceback(hwnas, monkeypatch):
    def stage(*args, **options):
        raise RuntimeError("a shape is wrong")

    monkeypatch.setattr(importlib.import_module("hwnas.pipeline.train"), "train", stage)
    with pytest.raises(RuntimeError, match="a shape"):
        hwnas("train", "net.json")


@pytest.mark.parametrize(("text", "share"), [("3%", 0.03), ("0.03", 0.03), (" 2.5 % ", 0.025)])
@pytest.mark.parametrize(("words", "option"), [("profile", "within"), ("train net.json", "shift")])
def test_the_error_to_reach_and_the_shift_of_images_are_shares(hwnas, monkeypatch, words, option, text, share):
    asked = []

    def stage(*args, **options):
        asked.append(getattr(args[0], "within", None) or args[0].recipe.shift)
        raise VerificationError("asked")

    name = words.split()[0]
    monkeypatch.setattr(importlib.import_module(f"hwnas.pipeline.{name}"), FUNCTIONS.get(name, name), stage)
    hwnas(*words.split(), f"--{option}", text)
    assert asked == [pytest.approx(share)]


@pytest.mark.parametrize("command", ["profile", "export"])
def test_a_file_of_settings_is_a_command_line(hwnas, monkeypatch, tmp_path, command):
    """What a file says, an option wins over, and a setting is any other."""
    asked = []

    def stage(config, **options):
        asked.append(config)
        raise VerificationError("asked")

    name = FUNCTIONS.get(command, command)
    monkeypatch.setattr(importlib.import_module(f"hwnas.pipeline.{command}"), name, stage)
    (tmp_path / "c.yaml").write_text("threads: 2\ndevice: board.yaml\n")
    last = {"profile": "even=false", "export": "run=trained"}[command]
    hwnas(command, "--config", "c.yaml", "--device", "cpu", "--set", last)
    ((config),) = asked
    assert (config.threads, config.device) == (2, "cpu")
    assert str(getattr(config, last.partition("=")[0])).lower() == last.partition("=")[2]


@pytest.fixture
def failing(monkeypatch):
    """A function that makes a stage raise an exception."""

    def fail(stage, error):
        def raising(*args, **kwargs):
            raise error

        monkeypatch.setattr(importlib.import_module(f"hwnas.pipeline.{stage}"), FUNCTIONS.get(stage, stage), raising)

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


@pytest.mark.parametrize("name", [*CLAIMED, MANIFEST])
def test_a_bundle_with_a_changed_byte_is_one_line_naming_the_file(hwnas, made_up_table, tmp_path, name):
    table = made_up_table()
    manifest = Manifest(
        name="tiny", date=table.date, data="fashion-mnist-small", fingerprint="0", top1=0.9, onnx_top1=0.9,
        max_abs_logit_diff=0.0, latency=Latency(table.device, table.reference, table.reference_seconds),
        versions={}, files={},
    )  # fmt: skip
    write_bundle(tmp_path / "tiny", {name: f"made-up {name}".encode() for name in CLAIMED}, manifest)
    data = bytearray((tmp_path / "tiny" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "tiny" / name).write_bytes(data)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    code, out, errors = hwnas("verify", "tiny")
    assert (code, out) == (1, "")
    assert errors.startswith(f"hwnas: {name} was changed")
    assert len(errors.splitlines()) == 1
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_what_several_processes_would_do_over_each_other_is_refused_once(refused, hwnas, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "start export without torchrun" in refused("export", "run")
    assert "table" in refused("search", "--latency", 1)
    monkeypatch.setenv("RANK", "1")
    assert hwnas("export", "run") == (2, "", "")
