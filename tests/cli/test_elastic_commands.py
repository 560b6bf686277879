"""The commands on a space whose layers share decisions: what is known of it is told, and what cannot be is refused."""

import json

import numpy as np
import pytest

from hwnas.latency.active import sample_architectures
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.table import Networks, load, write_arch
from hwnas.pipeline.predict import arch_of
from hwnas.space import registry
from hwnas.space.net import Net

SPACE = "mobilenetv3-32"


@pytest.fixture(scope="module")
def elastic_table(made_up_table):
    """A table of whole networks that take a ms for each million MACs, and a tenth."""
    space = registry.get(SPACE)
    archs = sample_architectures(space, 12, seed=0)
    ms = [0.1 + space.derive(arch).macs / 1e6 for arch in archs]
    fitted = LatencyPredictor(space, archs, ms)
    return made_up_table(
        space=SPACE, classes=space.classes, fingerprint=space.fingerprint, rows={}, model=fitted.model,
        quality=fitted.quality, networks=Networks(tuple(map(write_arch, archs)), tuple(ms)),
    )  # fmt: skip


@pytest.fixture
def written(elastic_table, tmp_path):
    """The path of its file."""
    path = tmp_path / "table.json"
    elastic_table.save(path)
    return path


def test_networks_are_predicted_by_indices_and_by_file(hwnas, written, tmp_path):
    space, rng = registry.get(SPACE), np.random.default_rng(0)
    nets = [space.derive(space.sample(rng)) for _ in range(4)]
    (tmp_path / "net.json").write_text(json.dumps(nets[0].to_json()))
    words = [word for net in nets[1:] for word in ("--arch", net.name.removeprefix(f"{SPACE}:"))]
    code, out, _ = hwnas("predict", "--table", written, "--arch", "net.json", *words, "--json")
    assert code == 0
    for network, net in zip(json.loads(out)["networks"], nets, strict=True):
        assert network["arch"] == net.name.removeprefix(f"{SPACE}:")
        assert network["ms"] == pytest.approx(0.1 + net.macs / 1e6, rel=0.1)


def test_a_network_without_a_name_is_found(elastic_table):
    space = registry.get(SPACE)
    net = space.derive(space.sample(np.random.default_rng(1)))
    found = arch_of(space, Net(net.blocks))  # without the space's eps too, which costs nothing
    assert space.derive(found) == net
    cost = elastic_table.predictor(space).cost([arch_of(space, net), found])
    assert cost == pytest.approx(0.1 + net.macs / 1e6, rel=0.1)


def test_a_table_is_shown_and_compared_without_blocks(hwnas, written):
    code, out, _ = hwnas("tables", "show", written, "--json")
    shown = json.loads(out)
    assert (code, shown["blocks"], shown["networks"]) == (0, 0, 12)
    assert shown["predicted_ms"] == pytest.approx(load(written).predictor(registry.get(SPACE)).range())
    code, out, _ = hwnas("tables", "diff", written, written, "--json")
    assert (code, json.loads(out)["spearman"]) == (0, pytest.approx(1))


@pytest.mark.parametrize("strategy", ["proxyless", "spos"])
def test_it_is_searched(hwnas, written, tmp_path, strategy):
    table = load(written)
    ms = float(np.mean(table.predictor(registry.get(SPACE)).range()))
    words = ["--no-measure", "--steps", 2, "--out", "out"] + ["--evaluations", 3] * (strategy == "spos")
    settings = ("weights.warmup_steps=1", "weights.batch_size=2", "finalists=1", "threads=1")
    more = [word for setting in settings for word in ("--set", setting)]
    code, out, _ = hwnas("search", "--table", written, "--latency", ms, "--strategy", strategy, *words, *more, "--json")
    found = json.loads(out)
    assert code == 0
    assert 0.97 * found["target_ms"] * (1 - 1e-9) <= found["predicted_ms"] <= found["target_ms"] * (1 + 1e-9)
    net = registry.get(SPACE).derive(tuple(found["arch"]))
    assert Net.from_json(json.loads((tmp_path / "out" / "net.json").read_text())) == net
