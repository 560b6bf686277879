"""`hwnas search`: the table that it takes, and mistakes in everything that it is given."""

import importlib
import re
import shutil
from dataclasses import replace

import pytest

from hwnas.latency.table import Origin
from hwnas.search.config import SearchConfig
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
    for path in sorted((images / "green").iterdir())[:9]:
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
            "search", "--table", "t.json", "--latency", latency, "--data", "images", "--out", out,
            *(("--steps", 1) if "--evaluator" not in more else ()), "--set", "threads=1", *more,
        )  # fmt: skip

    return search


OPTIONS = {
    "--strategy best": "no strategy 'best'",
    "--strategy SPOS": "no strategy 'SPOS'",
    "--set luck=7": "'luck'",
    "--set lr": "NAME=VALUE, not 'lr'",
    "--set lr=fast": "lr is 'fast'",
    "--set lr=-1": "lr",
    "--set paths=three": "paths",
    "--set weights.lr=fast": "weights.lr is 'fast'",
    "--set weights.batchsize=8": "the nearest is weights.batch_size",
    "--set weights.steps=2": "weights.steps is set twice, to 1 by an option and to 2 by --set",
    "--set seed=1 --set seed=2": "seed is set twice",
    "--set latency_ms=6": "limits.latency_ms is set twice",
    "--set objective.integral=fast": "integral of the loss lagrangian is 'fast'",
    "--set objective.luck=7": "'luck'",
    "--set evaluator.epochs=3": "inherited from shared weights has no epochs",
    "--set finalists.use=much": "finalists.use is 'much'",
    "--set finalists.use=1": "finalists.use is '1'",
    "--set finalists=0": "finalists.count is '0'",
    "--set weights.sharing=tied": "weights.sharing is 'tied'",
    "--set objective=guess": "'guess'",
    "--strategy random --evaluator short --set evaluator.epochs=many": "epochs of the evaluator short is 'many'",
    "--strategy random --evaluator short --set evaluator.epochs=0": "epochs of the evaluator short is",
    "--strategy random --evaluator naswot --set evaluator.batch=1": "batch of the evaluator naswot is",
    "--strategy random --evaluator naswot --set objective=tunas": "naswot gives no accuracy, which tunas weighs",
    "--strategy random --evaluator macs --set evaluator.accuracies=t.json": "'accuracies'",
    "--strategy random --evaluator macs --set weights.lr=1": "macs needs no shared weights: leave out weights.lr",
    "--strategy random --evaluator table": "the evaluator table needs a file",
    "--strategy random --evaluator table --set evaluator.accuracies=a.json": "a.json",
    "--strategy random --evaluator tarot": "no evaluator 'tarot'",
    "--evaluator short": "proxyless scores by shared weights: leave out the evaluator short",
    "--strategy spos --evaluations 0": "budget.evaluations is 0",
    "--strategy spos --evaluations some": "--evaluations",
    "--evaluations 5": "proxyless learns while the weights do: give it steps, not evaluations",
    "--weights none": "cannot read search record none/search.json",
    "--strategy spos --weights images": "cannot read search record images/search.json",
    "--seed -1": "seed is -1",
    "--config none.yaml": "cannot read the configuration none.yaml",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latency": -3}, "latency_ms is -3"),
        ({"latency": "nan"}, "latency_ms is nan"),
        ({"latency": "fast"}, "--latency"),
        ({"latency": 1e-3}, "0.001 ms is under the fastest network"),
        ({"latency": 1e6}, "1e+06 ms is over the slowest network"),
        ({"table": foreign}, "model: Another CPU"),
        ({"table": lambda table: replace(table, space="proxyless")}, "space: proxyless of 3 classes"),
        ({"table": lambda table: replace(table, space="imagenet")}, "the space imagenet"),
        ({"table": lambda table: replace(table, fingerprint="0")}, "of another version"),
        ({"table": without_a_row}, "the latency table has no row for "),
        ({"table": published, "more": ["--measure"]}, "published data"),
        ({"table": published, "more": ["--device", "cpu"]}, "leave out the device cpu"),
        ({"more": ["--device", "toaster"]}, "no device 'toaster'"),
        ({"text": lambda text: text[: len(text) // 2]}, "t.json is not a whole latency table"),
        ({"text": lambda text: text.replace("0.15", "0.14", 1)}, "t.json was changed after it was measured"),
        ({"text": lambda text: text.replace('"schema": 2', '"schema": 99')}, "not a latency table of schema 2"),
        ({"data": one_class}, "has only one class, red"),
        (
            {"data": unreadable},
            "images cannot be read, more than the 1% that may be skipped (--max-bad): green/0.png: ",
        ),
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
        ("--table t.json", "limits.latency_ms is not given"),
        ("--latency 1", "limits.table is not given"),
        ("--table none.json --latency 1", "cannot read latency table none.json"),
        ("--table none --latency 1", "no latency table 'none': there are "),
    ],
)
def test_a_search_without_a_table_or_a_latency_is_one_line(refused, words, message):
    assert message in refused("search", *words.split())


class AskedError(Exception):
    pass


@pytest.fixture
def asked(hwnas, monkeypatch):
    """A function of a command line to the configuration that the stage is called with."""

    def call(*words):
        def stage(config, *, out):
            raise AskedError(config)

        monkeypatch.setattr(importlib.import_module("hwnas.pipeline.search"), "search", stage)
        with pytest.raises(AskedError) as caught:
            hwnas("search", *words)
        return caught.value.args[0]

    return call


def test_a_strategy_has_its_own_steps_unless_they_are_given(asked):
    words = ("--latency", 1, "--table", "t.json", "--strategy", "tunas")
    plans = [Plan.of(asked(*words, *more)).config.weights for more in ((), ("--steps", 5))]
    assert [(weights.warmup_steps, weights.steps) for weights in plans] == [(0, 6000), (0, 5)]


def test_help_has_the_options_that_people_use_and_an_example(hwnas, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    code, out, _ = hwnas("search", "--help")
    assert code == 0
    assert "Example: hwnas search" in out
    assert all(name in out for name in EVALUATORS)
    usual = ("table", "latency", "device", "data", "out", "strategy", "evaluator", "steps", "evaluations", "seed")
    usual += ("val", "max-bad")
    rest = ("config", "set", "space", "weights", "init", "measure", "no-measure", "json", "help")
    assert set(re.findall(r"(?<=--)[a-z-]+", out.partition("Example")[0])) == {*usual, *rest}


def test_options_a_file_and_settings_are_one_configuration(asked, tmp_path):
    (tmp_path / "mine.yaml").write_text("table: pixel3.fbnet\nlatency_ms: 20\nstrategy: {name: ofa, population: 40}\n")
    found = asked("--config", "mine.yaml", "--latency", 21, "--no-measure", "--set", "weights.lr=0.2")
    assert found == SearchConfig.parse({
        "table": "pixel3.fbnet", "latency_ms": 21, "measure": False,
        "strategy": {"name": "ofa", "constants": {"population": 40}}, "weights": {"lr": 0.2},
    })  # fmt: skip
