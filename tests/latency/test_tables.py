"""Tables by name, path or the result of a profile, alike everywhere; and the spaces that they are of."""

from dataclasses import replace
from pathlib import Path

import pytest

import hwnas
from hwnas import devices, references
from hwnas.compare.bench import Bench
from hwnas.errors import InputError
from hwnas.latency import tables
from hwnas.latency.tables import PACKAGED, find_table, list_tables, load_table, space_of, table_name
from hwnas.pipeline import spaces
from hwnas.pipeline import tables as stage
from hwnas.space import registry
from hwnas.testing import refused

SOURCE = """
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot

def space(classes=5):
    slot = Slot(tuple(Block("mbconv", 8, 8, 8, 8, k, expansion=2, act="relu6", residual=True) for k in (3, 5, 7)))
    return SearchSpace("mine", (Block("conv", 3, 8, 8, 8, 3), slot, slot, Block("classifier", 8, classes, 8, 8)))
"""


@pytest.fixture
def here(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def mine(here, drifting, monkeypatch):
    """The result of profiling the space of a lone file on a device that is made up."""
    Path("my.py").write_text(SOURCE)
    monkeypatch.setattr(devices, "get", lambda name, threads: drifting())
    return hwnas.profile("my.py:space", precision=0.5, networks=3, time_limit=1e-9, progress=None)


def test_a_name_a_path_and_a_path_as_text_are_one_table(here, table):
    table.save(here / "latency_tables" / "mine.json")
    assert find_table("mine") == Path("latency_tables/mine.json")
    for name in ("mine", "latency_tables/mine.json", here / "latency_tables" / "mine.json", table):
        assert load_table(name) == table


def test_those_here_go_before_the_packaged_ones(here, table):
    assert find_table("pixel3.fbnet") == PACKAGED / "pixel3.fbnet.json"
    table.save(here / "latency_tables" / "pixel3.fbnet.json")
    assert find_table("pixel3.fbnet") == Path("latency_tables/pixel3.fbnet.json")
    assert set(list_tables()) >= {"pixel3.fbnet", "cpu.proxyless-32"}


def test_a_name_that_there_is_not(here):
    for name in ("none", Path("none")):
        with refused("table.unknown", InputError, name="none"):
            load_table(name)
    with refused("file.unreadable", InputError):
        load_table("none.json")


def test_a_file_without_a_suffix_is_a_path_too(here, table):
    table.save(here / "mine")
    assert load_table("mine") == table


def test_every_stage_takes_a_name(here):
    arch = "-".join("2" * 22)
    by_name, by_path = (hwnas.predict(name, [arch]) for name in ("pixel3.fbnet", PACKAGED / "pixel3.fbnet.json"))
    assert by_name == by_path
    assert stage.describe("pixel3.fbnet").path == PACKAGED / "pixel3.fbnet.json"
    assert stage.diff("pixel3.fbnet", "raspi4.fbnet").spearman > 0.5
    assert spaces.describe("fbnet", table="pixel3.fbnet")["latency"]["device"] == "Google Pixel 3"


def test_a_comparison_takes_a_name(here, accuracies):
    bench = Bench.load(accuracies, "cpu.nas-bench-macro", None, None, single=False)
    assert bench.identity["cost"] == load_table("cpu.nas-bench-macro").identity


@pytest.mark.parametrize(
    ("space", "classes", "name"),
    [
        ("proxyless-32", None, "cpu.proxyless-32"),
        ("proxyless-32", 5, "cpu.proxyless-32.5-classes"),
        ("nets/my.py:space", None, "cpu.my.space"),
        ("nets/my.space.yaml", None, "cpu.my.space"),
        ("package.module:space", None, "cpu.package.module.space"),
        ("mine: one/two", None, "cpu.mine.-one-two"),
    ],
)
def test_the_name_of_a_table(space, classes, name):
    assert table_name("cpu", space, classes) == name


def test_the_space_of_a_packaged_table():
    for name, path in list_tables(Path("none")).items():
        found = load_table(path)
        assert space_of(found) == registry.get(found.space, found.classes), name


def test_the_space_of_a_file_is_of_the_caller_alone(mine):
    """The table has the reference, but the code of the file runs only for a caller who names it."""
    assert mine.path == Path("latency_tables/cpu.my.space.json")
    found = load_table("cpu.my.space")
    assert (found.space, found.fingerprint) == ("my.py:space", mine.space.fingerprint)
    with refused("space.unresolved", InputError, reference="my.py:space", reason="reference.not-allowed"):
        space_of(found)
    assert space_of(found, "my.py:space") == space_of(found, mine.space) == mine.space
    with references.allow("my.py:space"):
        assert space_of(found) == mine.space
        assert stage.describe(mine).space == "my.py:space"
    predicted = hwnas.predict(mine, ["0-2"], space="my.py:space").networks[0]
    assert predicted.ms == pytest.approx(float(found.predictor(mine.space).cost([(0, 2)])[0]))
    assert spaces.describe("my.py:space", table="cpu.my.space")["latency"]["table"] == mine.path


def test_a_space_that_is_gone_or_changed(mine):
    found = mine.table
    with refused("space.unresolved", InputError, reference="none", reason="reference.unknown"):
        space_of(replace(found, space="none"))
    Path("my.py").write_text(SOURCE.replace("(3, 5, 7)", "(3, 5)"))
    with refused("table.other-space", InputError, space="my.py:space"):
        space_of(found, "my.py:space")
    Path("my.py").unlink()
    with references.allow("my.py:space"), refused("space.unresolved", InputError, reason="reference.not-found"):
        space_of(found)


def test_a_merged_table_is_written_once(here, mine, table):
    mine.table.save(here / "a.json")
    found = stage.merge("a.json", "a.json", "b.json", space="my.py:space")
    assert load_table(found) == found.table
    with refused("table.exists", InputError, path="b.json"):
        stage.merge("a.json", "a.json", "b.json", space="my.py:space")


def test_packaged_tables_are_beside_the_modules_or_in_the_checkout():
    package = Path(hwnas.__file__).parent
    assert tables.packaged_folder() in (package / "latency_tables", package.parent / "latency_tables")
    assert (tables.packaged_folder() / "pixel3.fbnet.json").is_file()
