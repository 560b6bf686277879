"""`hwnas search`: the table that it takes, and mistakes in everything that it is given."""

import importlib
import shutil
from dataclasses import replace

import pytest

from hwnas.latency.table import Origin
from hwnas.search.evaluators import EVALUATORS
from hwnas.search.plan import Plan


def foreign(table):
    return replace(table, device=replace(table.device, model="Another CPU"))


def without_a_row(table):
    return replace(table, rows={key: row for key, row in table.rows.items() if "k5" not in key})


def published(table):
    return replace(table, origin=Origin("A Benchmark", "MIT"))


def one_class(images):
    shutil.rmtree(images / "green")
    shutil.rmtree(images / "blue")


def unreadable(images):
    path = images / "green" / "7.png"
    path.write_bytes(path.read_bytes()[:100])


@pytest.fixture
def searching(refused, made_up_table, images, tmp_path):
    """A function that searches with `changes` to a good call and returns its error.

    `table` and `data` make another table, or change the images; `text` changes the table's file.
    """

    def search(
        table=lambda table: table, text=lambda text: text, data=lambda images: None, latency=5, out="out", more=()
    ):
        table(made_up_table()).save(tmp_path / "t.json")
        (tmp_path / "t.json").write_text(text((tmp_path / "t.json").read_text()))
        data(shutil.copytree(images, tmp_path / "images"))
        return refused(
            "search", "--table", "t.json", "--latency", latency, "--data", "images", "--out", out, "--steps", 1,
            "--warmup-steps", 0, "--threads", 1, *more,
        )  # fmt: skip

    return search


OPTIONS = {
    "--strategy best": "no strategy 'best': there are proxyless, ",
    "--strategy ''": "no strategy",
    "--strategy SPOS": "no strategy 'SPOS'",
    "--set luck=7": "proxyless has no constant 'luck': there are paths, ",
    "--set lr": "give a constant as NAME=VALUE, not 'lr'",
    "--set lr=fast": "lr is a number, not 'fast'",
    "--set lr=-1": "lr",
    "--set paths=three": "paths",
    "--set weights.lr=fast": "schedule of the weights: lr: ",
    "--set objective.integral=fast": "integral of the loss steered must be a number, not fast",
    "--set objective.luck=7": "the loss steered has no constant 'luck'",
    "--set evaluator.epochs=3": "inherited from shared weights has no epochs",
    "--strategy random --evaluator short --set evaluator.epochs=many": "epochs of the evaluator short is a whole",
    "--strategy random --evaluator short --set evaluator.epochs=0": "trains at least 1 epoch, not 0",
    "--strategy random --evaluator naswot --set evaluator.batch=1": "looks at least at 2 images, not 1",
    "--objective tunas": "proxyless has no objective 'tunas': there are steered, ",
    "--strategy enas --objective steered": "enas has no objective 'steered': there are accuracy, ",
    "--strategy random --evaluator naswot --objective tunas": "naswot gives no accuracy, which tunas weighs",
    "--evaluator tarot": "no evaluator 'tarot': there are inherited, short, ",
    "--evaluator short": "proxyless judges by shared weights: leave out the evaluator short",
    "--strategy random --evaluator table": "the evaluator table needs a file",
    "--strategy spos --evaluations 0": "evaluations must be at least 1, not 0",
    "--strategy spos --evaluations some": "--evaluations",
    "--evaluations 5": "proxyless learns while the weights do: give it steps, not evaluations",
    "--accuracies a.json": "inherited from shared weights has no accuracies",
    "--strategy random --evaluator table --accuracies a.json": "cannot read table of accuracies a.json",
    "--strategy random --evaluator macs --accuracies t.json": "the evaluator macs has no constant 'accuracies'",
    "--weights none": "cannot read search record none/search.json",
    "--strategy spos --weights images": "cannot read search record images/search.json",
    "--strategy spos --weights t.json": "cannot read search record t.json/search.json",
    "--use 100%": "give a share such as 3% or 0.03, not '100%'",
    "--use -1": "give a share",
    "--use much": "give a share",
    "--finalists 0": "finalists must be at least 1, not 0",
}


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
        ({"table": published, "more": ["--measure"]}, "published data"),
        ({"table": published, "more": ["--device", "cpu"]}, "leave out the device cpu"),
        ({"more": ["--device", "toaster"]}, "no device 'toaster'"),
        ({"more": ["--sharing", "tied"]}, "'tied' is not one of 'separate', 'collapsed'"),
        ({"more": ["--space", "fbnet"]}, "by --table, or by --space and --device"),
        ({"text": lambda text: text[: len(text) // 2]}, "t.json is not a whole latency table"),
        ({"text": lambda text: text.replace("0.15", "0.14", 1)}, "t.json was changed after it was measured"),
        ({"text": lambda text: text.replace('"schema": 2', '"schema": 99')}, "not a latency table of schema 2"),
        ({"data": one_class}, "has only one class, red"),
        ({"data": unreadable}, "cannot read the image images/green/7.png"),
        ({"out": "images"}, "images exists and is not empty"),
        ({"out": "t.json"}, "t.json exists and is not empty"),
        *(({"more": words.split()}, message) for words, message in OPTIONS.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # a function as text has its address in it
)
def test_a_search_that_cannot_be_is_one_line_and_damages_nothing(searching, changes, message):
    assert message in searching(**changes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--table t.json --latency fast", "--latency"),
        ("--table t.json", "--latency"),
        ("--latency 1", "by --table, or by --space and --device"),
        ("--space fbnet --latency 1", "by --table, or by --space and --device"),
        ("--space fbnet --device toaster --latency 1", "no latency table 'toaster.fbnet': there are "),
        ("--table none.json --latency 1", "cannot read latency table none.json"),
        ("--table none --latency 1", "no latency table 'none': there are "),
        ("--space fbnet --device none.yaml --latency 1", "cannot read device file none.yaml"),
    ],
)
def test_a_search_without_a_table_is_one_line(refused, words, message):
    assert message in refused("search", *words.split())


class AskedError(Exception):
    pass


@pytest.fixture
def asked(hwnas, monkeypatch):
    """A function of a command line to the table and the options that the stage is called with."""

    def call(*words):
        def stage(table, *args, device, measured, **options):
            raise AskedError(table, device, measured)

        monkeypatch.setattr(importlib.import_module("hwnas.pipeline.search"), "search", stage)
        with pytest.raises(AskedError) as caught:
            hwnas("search", "--latency", 1, *words)
        table, device, measured = caught.value.args
        return table.name, device, measured

    return call


def test_a_strategy_has_its_own_steps_unless_they_are_given(hwnas, monkeypatch):
    given = []
    monkeypatch.setattr(importlib.import_module("hwnas.pipeline.search"), "search", lambda *_, **o: given.append(o))
    hwnas("search", "--latency", 1, "--table", "t.json", "--strategy", "tunas", "--use", 0)
    hwnas("search", "--latency", 1, "--table", "t.json", "--strategy", "tunas", "--steps", 5)
    plans = [Plan(options["strategy"]).schedule(options["schedule"]) for options in given]
    assert [(plan.warmup_steps, plan.steps) for plan in plans] == [(0, 6000), (0, 5)]
    assert [options["used"] for options in given] == [0.0, 0.97]


def test_help_names_every_evaluator_and_has_an_example(hwnas, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = hwnas("search", "--help")
    assert code == 0
    assert "Example: hwnas search" in out
    assert all(name in out for name in EVALUATORS)


def test_the_table_is_found_by_its_space_and_device(asked, tmp_path):
    assert asked("--table", "pixel3.fbnet") == ("pixel3.fbnet.json", None, None)
    assert asked("--space", "fbnet", "--device", "pixel3") == ("pixel3.fbnet.json", None, None)
    assert asked("--table", "t.json", "--device", "cpu", "--no-measure") == ("t.json", "cpu", False)
    (tmp_path / "mine.yaml").write_text("schema: 1\nname: raspi4\nruntime: {kind: onnxruntime, threads: 4}\n")
    found = asked("--space", "fbnet", "--device", "mine.yaml", "--measure")
    assert found == ("raspi4.fbnet.json", "mine.yaml", True)
