"""`hwnas predict`: from indices, networks and searches; by published tables; with tables of other devices."""

import json
from dataclasses import replace

import numpy as np
import pytest

import hwnas as package
from hwnas.latency.table import Networks, Origin, load, write_arch
from hwnas.pipeline.predict import arch_of
from hwnas.space import registry
from hwnas.space.net import Net
from hwnas.space.zoo import mobilenet_v2
from hwnas.testing import refused as said_no

ARCH = (2, 6, 0, 3, 3, 4, 5, 2, 0)
WORDS = "-".join(map(str, ARCH))


@pytest.fixture
def space():
    return registry.get("proxyless-32", classes=3)


@pytest.fixture
def written(space, table, tmp_path):
    """The file of a table, beside it a net.json and the folder of a search."""
    net = json.dumps(space.derive(ARCH).to_json())
    (tmp_path / "net.json").write_text(net)
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "net.json").write_text(net)
    return table


def test_indices_a_network_and_a_search_are_the_same(hwnas, written, space):
    code, out, _ = hwnas(
        "predict", "--table", written, "--arch", WORDS, "--arch", "net.json", "--arch", "found", "--json"
    )
    found = json.loads(out)
    assert code == 0
    assert [network["arch"] for network in found["networks"]] == [WORDS] * 3
    predictor = load(written).predictor(space)
    (low,), (high,) = predictor.interval([ARCH], 0.9)
    for network in found["networks"]:
        assert network["ms"] == pytest.approx(float(predictor.cost([ARCH])[0]))
        assert (network["low"], network["high"]) == (pytest.approx(low), pytest.approx(high))


def test_the_level_sets_the_width(hwnas, written):
    widths = []
    for level in (0.5, 0.9, 0.99):
        _, out, _ = hwnas("predict", "--table", written, "--arch", WORDS, "--level", level, "--json")
        (network,) = json.loads(out)["networks"]
        widths.append(network["high"] - network["low"])
    assert widths == sorted(widths)
    assert widths[0] < widths[2]


def test_the_error_of_the_predictor_is_told_with_every_use(hwnas, made_up_table, tmp_path):
    table = made_up_table()
    table = replace(table, quality=replace(table.quality, noise=0.012, ceiling=0.99), flags=("clock: it changed",))
    table.save(tmp_path / "t.json")
    code, out, _ = hwnas("predict", "--table", "t.json", "--arch", WORDS)
    assert code == 0
    assert str(table.quality) in out
    assert "1.2%" in out
    assert "90 % of cases" in out
    assert "note: clock: it changed" in out.splitlines()


def test_a_published_table_says_what_to_know_of_it(hwnas):
    code, out, _ = hwnas("predict", "--table", "samsung_a50.fbnet", "--arch", "-".join("2" * 22))
    assert code == 0
    assert "predicted, not measured, for Samsung Galaxy A50" in out
    assert "note: whole milliseconds, which drift with the order of measuring" in out


def test_a_published_table_predicts_networks_of_other_classes(hwnas, made_up_table, space, tmp_path):
    table = made_up_table(classes=100, origin=Origin("A Benchmark", "MIT"))
    table.save(tmp_path / "phone.json")
    (tmp_path / "net.json").write_text(json.dumps(space.derive(ARCH).to_json()))
    code, out, _ = hwnas("predict", "--table", "phone.json", "--arch", "net.json", "--json")
    assert code == 0
    assert json.loads(out)["networks"][0]["arch"] == WORDS


def test_tables_of_other_devices_help(made_up_table, space, tmp_path):
    """Five networks teach little where no feature tells the costs; a device where all costs twice tells the rest."""
    rng = np.random.default_rng(0)
    costs = [rng.uniform(0.01, 0.1, width) for width in space.choices]
    drawn = [space.sample(rng) for _ in range(125)]
    ms = [sum(cost[index] for cost, index in zip(costs, arch, strict=True)) for arch in drawn]
    networks = [
        Networks(tuple(map(write_arch, drawn[part])), tuple(times * one for one in ms[part]))
        for part, times in ((slice(5), 1), (slice(5, 105), 2))
    ]
    whole = made_up_table(rows={})
    replace(whole, networks=networks[0]).save(tmp_path / "few.json")
    replace(whole, networks=networks[1], device=replace(whole.device, device="other")).save(tmp_path / "other.json")
    archs, truth = drawn[105:], np.array(ms[105:])
    errors = []
    for borrow in ((), (tmp_path / "other.json",)):
        found = package.predict(tmp_path / "few.json", archs, borrow=borrow)
        errors.append(np.abs([network.ms for network in found.networks] / truth - 1).mean())
    assert errors[1] < errors[0] / 2
    assert found.borrowed == (str(tmp_path / "other.json"),)
    assert found.quality != whole.quality  # it is of what was fitted with the other table


@pytest.mark.parametrize("name", ["proxyless", "proxyless-32", "fbnet"])
def test_any_network_of_a_space_is_found_in_it(name):
    space = registry.get(name)
    rng = np.random.default_rng(0)
    for _ in range(20):
        arch = space.sample(rng)
        net = space.derive(arch)
        assert arch_of(space, net) == arch  # by its name
        assert space.derive(arch_of(space, Net(net.blocks))) == net  # a skip may be in another place
    with said_no("predict.other-network", where="w", space=name):
        arch_of(space, Net(net.blocks[:-1], net.name), "w")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--arch 2-6", "is not an architecture of proxyless-32"),
        ("--arch 9-9-9-9-9-9-9-9-9", "is not an architecture of proxyless-32"),
        ("--arch two", "'two' is not an architecture: give indices joined by '-'"),
        ("--arch other.json", "other.json is not a network of proxyless-32 with 3 classes"),
        ("--arch none.json", "cannot read network none.json"),
        ("--arch empty", "cannot read network empty/net.json"),
        (f"--arch {WORDS} --level 1", "a share between 0 and 1, such as 0.9, not 1"),
        (f"--arch {WORDS} --level nan", "a share between 0 and 1, such as 0.9, not nan"),
        (f"--arch {WORDS} --borrow none", "no latency table 'none': there are "),
        (f"--arch {WORDS} --borrow pixel3.fbnet", "of another kind (space: fbnet of 100 classes"),
        ("", "--arch"),
    ],
)
def test_a_mistake_is_one_line(refused, written, tmp_path, words, message):
    (tmp_path / "other.json").write_text(json.dumps(mobilenet_v2(0.35, 10, 32).to_json()))
    (tmp_path / "empty").mkdir()
    assert message in refused("predict", "--table", written, *words.split())


def test_a_table_that_is_none_is_one_line(refused, tmp_path):
    (tmp_path / "cut.json").write_text('{"schema": 2, ')
    assert "cut.json is not a whole latency table" in refused("predict", "--table", "cut.json", "--arch", WORDS)
    assert "no latency table 'cut'" in refused("predict", "--table", "cut", "--arch", WORDS)
    assert "cannot read latency table none.json" in refused("predict", "--table", "none.json", "--arch", WORDS)


def test_a_table_does_not_borrow_from_itself(refused, written):
    assert "is to borrow from itself" in refused("predict", "--table", written, "--arch", WORDS, "--borrow", written)
