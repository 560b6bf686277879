"""No code runs because a file names it: not a table, a device file, a run folder or a configuration."""

import json
from pathlib import Path

import pytest

from hwnas import devices
from hwnas.latency.tables import space_of
from hwnas.references import allow
from hwnas.search.config import SearchConfig
from hwnas.space.registry import SpaceIdentity
from hwnas.testing import refused

RAN = "raise SystemExit('it ran')\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder whose code must not run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(RAN)


def test_a_table(made_up_table):
    table = made_up_table(name="proxyless-32", space="my.py:space")
    with refused("space.unresolved", reference="my.py:space", reason="reference.not-allowed"):
        space_of(table)
    with refused("table.other-space"):
        space_of(table, "spos")


def test_a_table_whose_space_resolves_to_another(made_up_table):
    Path("my.py").write_text("from hwnas.space.registry import SPACES\nspace = SPACES['spos']\n")
    with allow("my.py:space"), refused("table.other-space"):
        space_of(made_up_table(name="proxyless-32", space="my.py:space"))


def test_a_device_file():
    Path("mine.yaml").write_text("schema: 1\nname: mine\nruntime: {kind: 'my.py:Runtime'}\n")
    with refused("reference.not-allowed", reference="my.py:Runtime"):
        devices.get("mine.yaml")


def test_a_run_or_a_bundle():
    with refused("reference.not-allowed", reference="my.py:space"):
        SpaceIdentity("my.py:space", 10, "0").resolve()
    with refused("space.other", reference="spos", fingerprint="0"):
        SpaceIdentity("spos", 10, "0").resolve()


@pytest.mark.parametrize("name", ["strategy", "objective", "evaluator", "space"])
def test_a_configuration(name):
    values = {"table": "t.json", "latency_ms": 1.0, name: "my.py:x"}
    Path("search.json").write_text(json.dumps(values))
    with refused("reference.not-allowed", reference="my.py:x"):
        SearchConfig.from_file("search.json")
    with refused("reference.not-allowed", reference="my.py:x"):
        SearchConfig.layered(values, {"seed": 3})
    with allow("my.py:x"):
        assert SearchConfig.from_file("search.json") == SearchConfig.parse(values)
    other = {"space": "spos", "strategy": "random", "objective": "hard", "evaluator": "macs"}[name]
    SearchConfig.layered(values, {name: other})
