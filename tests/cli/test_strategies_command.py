"""`hwnas strategies`: all listed, and each shown with its constants."""

import json

import pytest

from hwnas.strategies import methods


def test_the_list_has_every_strategy(hwnas):
    code, out, _ = hwnas("strategies", "--json")
    assert code == 0
    rows = {row.pop("name"): row for row in json.loads(out)}
    assert list(rows) == list(methods.METHODS)
    assert rows["spos"] == {"kind": "one-shot", "line": "Single path one-shot: uniform paths, then evolution",
                            "needs": "shared weights", "paper": "1904.00420"}  # fmt: skip
    assert rows["tunas"]["needs"] == "shared weights, or any evaluator"
    _, out, _ = hwnas("strategies")
    (row,) = [line for line in out.splitlines() if "regularised-evolution" in line]
    assert "black box" in row
    assert "1802.01548" in row


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_strategy_tells_its_constants(hwnas, name):
    code, out, _ = hwnas("strategies", "show", name, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["constants"] == methods.get(name).configure().values()
    assert list(found["ranges"]) == list(found["constants"]) == list(found["descriptions"])
    assert all(found["descriptions"].values())
    assert found["schedule"] == methods.get(name).schedule
    assert all(isinstance(value, bool | int | float | str | None) for value in found["constants"].values())
    assert len(found["parts"]) == 1 + (methods.get(name).path_sampler is not None)
    assert all(found["parts"])


def test_a_person_is_told_the_same(hwnas):
    code, out, _ = hwnas("strategies", "show", "darts-second")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "darts-second: DARTS, second order: through one unrolled step of the weights (1806.09055)"
    assert lines[1] == "kind: gradient; needs shared weights; objective: lagrangian; weights: separate"
    (row,) = [line for line in lines if line.startswith("│ order")]
    assert row.split("│")[2].strip() == "2"
    _, out, _ = hwnas("strategies", "show", "tunas")
    (row,) = [line for line in out.splitlines() if line.startswith("│ weights.steps")]
    assert row.split("│")[2].strip() == "6000"
    _, out, _ = hwnas("strategies", "show", "random")
    assert out.splitlines()[-1] == "no constants"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("show best", "there are proxyless, "),
        ("--json show random", "--json goes after show"),
        ("show", "Missing argument"),
        ("random", "No such command 'random'"),
    ],
)
def test_what_there_is_not_is_refused(refused, words, message):
    assert message in refused("strategies", *words.split())
