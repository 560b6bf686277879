"""A search of two processes: one of them writes and prints, Ctrl-C leaves one checkpoint, mistakes are told once."""

import json
import signal
import subprocess
import time

import pytest
import searching
import torch

from hwnas.clock import Clock
from hwnas.errors import InputError
from hwnas.latency.table import load
from hwnas.nn.ranks import Ranks
from hwnas.nn.state import load_state
from hwnas.search.config import SearchConfig
from hwnas.search.history import read_history
from hwnas.search.plan import Plan
from hwnas.search.problem import Problem
from hwnas.search.record import read_record
from hwnas.search.shared import SharedSupernet
from hwnas.space import registry


@pytest.fixture
def budget(table):
    fastest, slowest = load(table).predictor(registry.get("proxyless-32", 3)).range()
    return fastest + 0.3 * (slowest - fastest)


def steps_in(checkpoint):
    """The steps that the checkpoint has behind it; 0 where there is none yet."""
    try:
        return load_state(checkpoint)["done"]
    except InputError:
        return 0


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_ctrl_c_stops_two_processes_and_one_goes_on(torchrun, table, budget, images, tmp_path):
    cut, total = tmp_path / "cut", searching.SCHEDULE.total
    running = torchrun(2, "searching.py", table, budget, images, cut, stderr=subprocess.DEVNULL)
    while not steps_in(cut / "search.state"):
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    running.wait()
    assert [name for name in names(cut) if name != "history.jsonl"] == ["request.json", "search.state"]
    assert 0 < steps_in(cut / "search.state") < total
    resumed = searching.search(table, budget, images, cut)
    assert resumed.record == read_record(cut)
    assert [line["step"] for line in read_history(cut / "history.jsonl")] == list(range(1, total))
    assert names(cut) == ["history.jsonl", "net.json", "request.json", "search.json", "search.state"]


@pytest.fixture
def command(torchrun, table, budget, images, tmp_path):
    """A function that runs `hwnas search` as two processes with `flags`: exit code, output, errors."""

    def run(*flags):
        words = (
            "--table",
            table,
            "--latency",
            budget,
            "--data",
            images,
            "--out",
            tmp_path / "out",
            "--set",
            "finalists=3",
        )
        running = torchrun(2, "-m", "hwnas", "search", "--no-measure", "--json", *words, *flags,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        printed, errors = running.communicate()
        return running.returncode, printed, errors

    return run


def test_of_two_processes_one_writes_and_prints_and_both_judge_finalists(command, tmp_path):
    code, printed, errors = command("--steps", 2, "--set", "weights.warmup_steps=1")
    assert code == 0, errors
    (line,) = printed.splitlines()
    found = read_record(tmp_path / "out")
    assert json.loads(line)["arch"] == list(found.arch)
    assert names(tmp_path / "out") == ["history.jsonl", "net.json", "request.json", "search.json", "search.state"]
    scores = [finalist.score for finalist in found.finalists]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)


def test_a_mistake_is_told_once(command, tmp_path):
    code, printed, errors = command("--set", "weights.batch_size=33")
    assert code != 0
    assert printed == ""
    assert [line for line in errors.splitlines() if line.startswith("hwnas: ")] == [
        "hwnas: a batch of 33 images cannot be dealt out evenly to 2 ranks: give a multiple of 2"
    ]
    assert not (tmp_path / "out").exists()


def test_each_rank_makes_its_part_of_a_batch(table, images):
    asked = {"table": str(table), "latency_ms": 4.0, "data": str(images), "strategy": "spos"}
    plan = Plan.of(SearchConfig.parse(asked))
    problem = Problem.of(plan.config)
    alone, *parts = (
        SharedSupernet(problem, plan, learner=None, history=lambda *_: None, ranks=ranks, clock=Clock())
        for ranks in (Ranks(), Ranks(0, 2), Ranks(1, 2))
    )
    for kind in ("training", "validating"):
        whole, labels = getattr(alone, kind)(3)
        for rank, shared in enumerate(parts):
            part, some = getattr(shared, kind)(3)
            assert torch.equal(part, whole[rank::2])
            assert torch.equal(some, labels[rank::2])
