"""Run folders, checkpoints and bundles of earlier versions: they load, resume to the same bits, and verify."""

import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

import hwnas
from hwnas.latency.checkpoint import Checkpoint
from hwnas.nn.state import load_state
from hwnas.space import registry
from hwnas.strategies.limit import Limit
from hwnas.strategies.methods import METHODS
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_module, read_net, read_record

V0 = Path(__file__).parent / "fixtures" / "v0"
TRAINING = {"epochs": 2, "seed": 5, "threads": 1}
SEARCH = {"strategy": "random", "evaluator": "macs", "evaluations": 40, "measure": False, "threads": 1, "seed": 3}


@pytest.fixture
def old(tmp_path):
    """A function that copies a folder of `v0` to where it may be changed."""
    return lambda name: shutil.copytree(V0 / name, tmp_path / name)


def weights(folder):
    return sha256((folder / "weights.safetensors").read_bytes()).hexdigest()


def test_a_training_record_of_schema_1_is_read():
    old = json.loads((V0 / "trained" / "train.json").read_text())
    record = read_record(V0 / "trained")
    assert old["schema"] == 1
    assert (record.data, record.seed, record.top1) == (old["data"], old["seed"], old["top1"])
    assert record.recipe == Recipe(**old["recipe"], mirror=True)  # as everything was
    assert record.recipe.epochs == 2
    assert record.config.net == Path("net.json")
    assert list(record.history) == old["history"]
    assert read_net(V0 / "trained").params == sum(p.numel() for p in read_module(V0 / "trained").parameters())


def test_a_finished_training_is_returned_as_it_is(old):
    folder = old("trained")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = hwnas.train(V0 / "trained", out=folder, progress=None, **TRAINING)
    assert result.record == read_record(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_interrupted_training_resumes_to_the_same_weights(old):
    folder, whole = old("training"), read_record(V0 / "trained")
    assert len(load_state(folder / "train.state")["history"]) == 1
    resumed = hwnas.train(V0 / "trained", out=folder, progress=None, **TRAINING)
    assert (resumed.top1, resumed.history) == (whole.top1, whole.history)
    assert weights(folder) == weights(V0 / "trained")
    assert json.loads((folder / "train.json").read_text())["schema"] == 3


def test_an_interrupted_profile_is_read():
    path = V0 / "profile" / "cpu.nas-bench-macro-16.json.partial"
    identity = json.loads(path.read_text())["identity"]
    samples = Checkpoint(path, identity).load()
    assert len(samples.reference) > 0
    assert samples.visits


def test_a_search_record_of_schema_3_is_read():
    from hwnas.search.record import read_record as read_search

    old = json.loads((V0 / "search" / "search.json").read_text())
    record = read_search(V0 / "search")
    assert old["schema"] == 3
    assert (record.latency_ms, record.target_ms, record.reference_seconds) == (
        old["budget_ms"],
        old["aim_ms"],
        old["pace"],
    )
    assert list(record.arch) == old["arch"]
    assert record.net() == read_net(V0 / "search")


@pytest.mark.parametrize("finished", [True, False])
def test_a_search_resumes_to_the_same_network(old, finished):
    folder = old("search")
    if not finished:
        (folder / "search.json").unlink()
        (folder / "net.json").unlink()
    result = hwnas.search("cpu.nas-bench-macro-16", 0.03, out=folder, progress=None, **SEARCH)
    assert list(result.record.arch) == json.loads((V0 / "search" / "search.json").read_text())["arch"]
    assert result.record.net() == read_net(V0 / "search")


def test_the_bundle_of_schema_1_verifies_but_for_its_speed():
    bundle = Path(__file__).parents[1] / "export" / "fashion-mnist-small"
    assert json.loads((bundle / "manifest.json").read_text())["latency"]["budget_ms"] is not None
    assert hwnas.verify(bundle, latency=False).latency_ms is not None


def test_a_policy_with_a_controller_of_torch_goes_on_as_it_would_have():
    """Its LSTM was torch's then, and its Adam not fused."""
    space = registry.get("nas-bench-macro-16")
    method = METHODS["mnasnet"]
    constants = method.configure({"units": 4, "layers": 2, "lr": 0.01})
    policy = method.build(space, Limit.none(space), constants, 8, 100)
    policy.load_state_dict(load_state(V0 / "policy" / "mnasnet.state"))
    asked = []
    for _ in range(20):
        (proposal,) = policy.ask()
        policy.tell(proposal.id, sum(proposal.arch) / 16)
        asked.append(list(proposal.arch))
    assert asked == json.loads((V0 / "policy" / "asked_next.json").read_text())
    assert policy.optimizer.param_groups[0]["fused"]
