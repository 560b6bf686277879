"""A training of two processes by the command: one writes and prints, and the weights are those of one process."""

import json
import subprocess

import torch
from safetensors.torch import load_file

from hwnas.files import write_json
from hwnas.pipeline.train import train
from hwnas.space.net import Block, Net
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_record

NET = Net((Block("conv", 3, 8, 32, 32, 3, 2, act="relu"), Block("classifier", 8, 3, 16, 16)), "tiny")
RECIPE = Recipe(epochs=1, batch_size=16, optimizer="sgd", lr=0.05)


def test_two_processes_train_as_one_and_one_of_them_writes_and_prints(torchrun, images, tmp_path):
    write_json(tmp_path / "net.json", NET.to_json())
    settings = [f"--set={name}={getattr(RECIPE, name)}" for name in ("epochs", "batch_size", "optimizer", "lr")]
    running = torchrun(2, "-m", "hwnas", "train", tmp_path / "net.json", "--data", images, "--out", tmp_path / "two",
                       "--threads", 1, "--json", *settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
    printed, errors = running.communicate()
    assert running.returncode == 0, errors
    (line,) = printed.splitlines()
    assert json.loads(line)["history"] == list(read_record(tmp_path / "two").history)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [
        "net.json",
        "train.json",
        "weights.safetensors",
    ]
    one = train(NET, images, out=tmp_path / "one", recipe=RECIPE, threads=1, progress=None)
    assert (one.record.used["ranks"], read_record(tmp_path / "two").used["ranks"]) == (1, 2)
    alone, shared = (load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name, value in alone.items():
        torch.testing.assert_close(shared[name], value, rtol=1e-4, atol=1e-5)
