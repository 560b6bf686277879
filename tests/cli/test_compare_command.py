"""`hwnas compare`: what it prints, constants by --set, and mistakes in one line."""

import json

import pytest


@pytest.fixture
def table(accuracies, tmp_path):
    """The accuracies in the current folder."""
    path = tmp_path / "macro.json"
    path.write_bytes(accuracies.read_bytes())
    return path.name


QUICK = ("--strategies", "random", "--budget", 4, "--seeds", 2)


def test_the_comparison_is_printed_and_written(hwnas, table, tmp_path):
    code, out, _ = hwnas("compare", "--table", table, *QUICK, "--limit-macs", "4e7", "--json")
    assert code == 0
    found = json.loads(out)
    written = json.loads((tmp_path / "runs" / "compare" / "comparison.json").read_text())
    assert {"schema": 1, **found} == written
    assert (found["limit"], found["unit"], found["single"]) == (4e7, "MACs", False)
    (result,) = found["results"]
    assert (result["strategy"], len(result["regret"])) == ("random", 4)
    assert "<html>" in (tmp_path / "runs" / "compare" / "plot.html").read_text()


def test_a_person_is_told_the_same(hwnas, table):
    _, out, _ = hwnas("compare", "--table", table, *QUICK, "--single", "--json")
    (result,) = json.loads(out)["results"]
    code, out, _ = hwnas("compare", "--table", table, *QUICK, "--single")
    assert code == 0
    title, *_ = lines = out.splitlines()
    assert title == "nas-bench-macro, no limit, 6561 networks, 2 seeds; told is a single training"
    (row,) = [line for line in lines if "random" in line]
    low, regret, high, half = (
        f"{100 * value:.3f}" for value in (*(result[n][-1] for n in ("low", "regret", "high")), result["regret"][1])
    )
    cells = [cell.strip() for cell in row.split("│")[1:-1]]
    volume, seconds = f"{result['hypervolume'][1]:.4f}", f"{result['seconds'][1]:.2f}"
    assert cells == ["random", regret, f"{low} to {high}", half, f"{result['found']:.0%}", volume, seconds]
    assert lines[-1] == "runs/compare/plot.html shows the regret after each evaluation"


def test_constants_are_set_by_name(hwnas, table):
    words = ("--strategies", "regularised-evolution", "--budget", 4, "--seeds", 1)
    settings = ("--set", "regularised-evolution.population=3", "--set", "regularised-evolution.sample=2")
    code, out, _ = hwnas("compare", "--table", table, *words, *settings, "--json")
    assert code == 0
    (result,) = json.loads(out)["results"]
    assert (result["constants"]["population"], result["constants"]["sample"]) == (3, 2)


def test_all_black_box_strategies_are_compared_by_default(hwnas, table):
    code, out, _ = hwnas("compare", "--table", table, "--budget", 3, "--seeds", 1, "--limit-macs", "4e7", "--json")
    assert code == 0
    assert {result["strategy"] for result in json.loads(out)["results"]} == {
        "random", "regularised-evolution", "local-search", "nsga2", "bananas", "neural-predictor", "pnas"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--strategies best", "no strategy 'best'"),
        (
            "--strategies proxyless",
            "proxyless follows the gradient of shared weights, which a table",
        ),
        ("--strategies ,", "there are no strategies to compare"),
        ("--budget 0", "budget must be at least 1, not 0"),
        ("--strategies random --limit-ms 1", "a limit in ms needs a latency table"),
        ("--strategies random --limit-macs 1e6", "the least is 7.71328e+06"),
        ("--set random", "give a constant as STRATEGY.NAME=VALUE, not 'random'"),
        ("--set random.size", "STRATEGY.NAME=VALUE, not 'random.size'"),
        ("--set best.size=3", "set for best"),
        ("--set random.size=3", "has no constant 'size'"),
        ("--set regularised-evolution.population=many", "population is 'many'"),
        ("--strategies random,regularised-evolution --set regularised-evolution.population=-1", "population"),
        ("--strategies random --table other.json", "cannot read table of accuracies other.json"),
    ],
)
def test_a_mistake_is_one_line(refused, table, words, message):
    assert message in refused("compare", "--table", table, *words.split())
