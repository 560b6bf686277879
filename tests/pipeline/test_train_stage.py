import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from hwnas.errors import DivergedError
from hwnas.files import write_json
from hwnas.pipeline.train import Job, train, train_many
from hwnas.space.net import Block, Net
from hwnas.testing import refused
from hwnas.training import checkpoints
from hwnas.training import job as jobs_of
from hwnas.training.loop import Loop
from hwnas.training.recipe import Recipe
from hwnas.training.run import read_module, read_net, read_record

RECIPE = Recipe(epochs=3, batch_size=16)
RUN = {"net.json", "train.json", "weights.safetensors"}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder with one folder of twenty 8 px images for each of two classes."""
    folder = tmp_path_factory.mktemp("data") / "greys"
    rng = np.random.default_rng(0)
    for shade, name in ((0, "dark"), (120, "light")):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = shade + rng.integers(0, 130, (8, 8, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def network(classes=2, width=8, size=8):
    return Net(
        (Block("conv", 3, width, size, size, 3, act="relu6"), Block("classifier", width, classes, size, size)), "t"
    )


STEM, HEAD = network().blocks


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(folder):
    return {name: value.tolist() for name, value in load_file(folder / "weights.safetensors").items()}


def test_a_run_leaves_its_network_weights_and_record(images, tmp_path):
    result = train(network(), images, out=tmp_path / "run", recipe=RECIPE, epochs=2, seed=3)
    record = result.record
    assert (result.path, Path(result), result.top1, result.history, result.read_net()) == (
        tmp_path / "run",
        tmp_path / "run",
        record.top1,
        record.history,
        network(),
    )
    assert sorted(files(tmp_path / "run")) == ["net.json", "train.json", "weights.safetensors"]
    assert read_record(tmp_path / "run") == record
    assert read_net(tmp_path / "run") == network()
    assert (record.data, record.labels, record.seed, record.recipe.epochs) == ("greys", ("dark", "light"), 3, 2)
    assert len(record.history) == 2
    assert "torch" in record.versions
    assert not read_module(tmp_path / "run").training
    assert str(images) not in (tmp_path / "run" / "train.json").read_text()


def test_the_record_tells_everything_that_was_used_and_found(images, tmp_path):
    settings = {"recipe": Recipe(batch_size=8), "epochs": 3, "val": 0.25, "mirror": True, "tensorboard": True}
    record = train(network(), images, out=tmp_path / "run", **settings).record
    told = json.loads((tmp_path / "run" / "train.json").read_text())
    assert told["schema"] == 3
    assert told["config"]["recipe"] == Recipe(epochs=3, mirror=True, batch_size=8).to_json()
    assert (told["config"]["recipe_name"], told["config"]["val"]) == ("quick", 0.25)
    assert (record.used["training_images"], record.validation.images, record.test.images) == (24, 8, 8)
    assert record.used["optimizer"]["betas"] == [0.9, 0.999]
    assert (record.used["precision"], record.used["device"]) == ("float32", "cpu")
    assert len(record.validation_history) == 3
    assert record.validation.top1 >= max(record.validation_history) - 0.5
    assert sum(map(sum, record.test.confusion)) == 8
    assert record.top1 == record.test.top1
    assert read_record(tmp_path / "run") == record
    found = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in found.Scalars("train/loss")] == list(range(1, record.used["updates"] + 1))
    assert [event.value for event in found.Scalars("validation/top1")] == pytest.approx(record.validation_history)


def test_without_validation_all_images_are_trained_on_and_the_last_epoch_is_kept(images, tmp_path):
    record = train(network(), images, out=tmp_path / "run", recipe=RECIPE, val=0).record
    assert (record.used["training_images"], record.used["kept"], record.epoch) == (32, "last", 3)
    assert (record.validation, record.validation_history) == (None, ())


def test_shifted_images_are_noted_and_train_another_network(images, tmp_path):
    still = train(network(), images, out=tmp_path / "still", recipe=RECIPE)
    moved = train(network(), images, out=tmp_path / "moved", recipe=RECIPE, shift=0.25)
    assert (still.record.recipe.shift, moved.record.recipe.shift) == (0, 0.25)
    assert weights(tmp_path / "still") != weights(tmp_path / "moved")


def test_a_network_is_read_from_a_file_or_a_search_folder_which_is_noted(images, tmp_path):
    found = tmp_path / "search"
    write_json(found / "net.json", network().to_json())
    write_json(found / "search.json", {"budget_ms": 1.5})
    train(found / "net.json", images, out=tmp_path / "a", recipe=RECIPE)
    train(str(found), images, out=tmp_path / "b", recipe=RECIPE)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert not (tmp_path / "a" / "search.json").exists()
    assert json.loads((tmp_path / "b" / "search.json").read_text()) == {"budget_ms": 1.5}


def test_the_same_call_again_returns_the_record_and_another_is_refused(images, tmp_path):
    out = tmp_path / "run"
    first = train(network(), images, out=out, recipe=RECIPE)
    before = files(out)
    assert train(network(), images, out=out, recipe=RECIPE) == first
    for other in ({"seed": 1}, {"epochs": 4}, {"net": network(width=16)}):
        with refused("training.other-run", path=out):
            train(**({"net": network(), "data": images, "out": out, "recipe": RECIPE} | other))
    assert files(out) == before


@pytest.mark.parametrize("moment", ["epoch", "end"])
def test_a_killed_run_is_gone_on_with(images, tmp_path, monkeypatch, moment):
    whole = train(network(), images, out=tmp_path / "whole", recipe=RECIPE)
    out = tmp_path / "killed"

    class KilledError(Exception):
        pass

    def killed(*arguments):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(*((Loop, "result") if moment == "epoch" else (jobs_of, "write_run")), killed)
        with pytest.raises(KilledError):
            train(network(), images, out=out, recipe=RECIPE)
    assert list(files(out)) == ["train.state"]
    (out / ".train.state.x.partial").write_text("half a checkpoint")
    resumed = train(network(), images, out=out, recipe=RECIPE)
    assert (resumed.top1, resumed.history) == (whole.top1, whole.history)
    assert weights(out) == weights(tmp_path / "whole")
    assert sorted(files(out)) == ["net.json", "train.json", "weights.safetensors"]


def test_a_full_disk_is_said_and_the_run_goes_on_from_the_last_state(images, tmp_path, full_disk, monkeypatch):
    train(network(), images, out=tmp_path / "whole", recipe=RECIPE)
    save, written = checkpoints.save_state, []

    def on_a_disk_that_fills(path, state):
        with full_disk(1000) if written else nullcontext():
            save(path, state)
        written.append(path.read_bytes())

    monkeypatch.setattr(checkpoints, "save_state", on_a_disk_that_fills)
    state = tmp_path / "run" / "train.state"
    with refused("file.not-written", path=state):
        train(network(), images, out=tmp_path / "run", recipe=RECIPE)
    assert files(tmp_path / "run") == {"train.state": written[0]}
    monkeypatch.undo()
    train(network(), images, out=tmp_path / "run", recipe=RECIPE)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_disk_that_is_full_at_the_end_leaves_the_state(images, tmp_path, full_disk, monkeypatch):
    write_run = jobs_of.write_run

    def on_a_full_disk(*args):
        with full_disk(100):
            write_run(*args)

    monkeypatch.setattr(jobs_of, "write_run", on_a_full_disk)
    with refused("file.not-written", path=tmp_path / "run" / "weights.safetensors"):
        train(network(), images, out=tmp_path / "run", recipe=RECIPE)
    assert files(tmp_path / "run").keys() == {"train.state"}


def test_a_folder_with_anything_else_in_it_is_left_alone(images, tmp_path):
    (tmp_path / ".thesis.partial").write_text("words")
    with refused("folder.not-empty"):
        train(network(), images, out=tmp_path, recipe=RECIPE)
    assert files(tmp_path) == {".thesis.partial": b"words"}


@pytest.mark.parametrize("obstacle", ["file", "permission"])
def test_a_folder_that_cannot_be_written_is_refused_before_the_work(images, tmp_path, monkeypatch, obstacle):
    if obstacle == "file":
        (tmp_path / "place").write_text("")
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: False)  # what root is never told
    with refused("folder.not-writable"):
        train("nowhere.json", images, out=tmp_path / "place" / "run", recipe=RECIPE)


@pytest.mark.parametrize(
    ("wrong", "code", "fields"),
    [
        ({"net": network(classes=3)}, "training.classes", {"outputs": 3, "classes": 2}),
        ({"net": Net((STEM,), "t")}, "training.no-classifier", {"net": "t"}),
        ({"net": Net((STEM, HEAD, Block("conv", 2, 2, 1, 1)), "t")}, "training.no-classifier", {"net": "t"}),
        ({"net": Net((STEM, HEAD, Block("classifier", 2, 2, 1, 1)), "t")}, "training.early-classifier", {"net": "t"}),
        ({"net": Net((Block("classifier", 1, 2, 8, 8),))}, "training.channels", {"channels": 1}),
        ({"net": Net((Block("classifier", 3, 2, 8, 6),), "t")}, "training.not-square", {"height": 8, "width": 6}),
        ({"net": "nowhere.json"}, "file.unreadable", {"path": Path("nowhere.json")}),
        ({"data": "nowhere"}, "data.unknown", {"name": "nowhere"}),
        ({"epochs": 0}, "config.value", {"key": "recipe.epochs", "value": 0}),
        ({"threads": 0}, "config.value", {"key": "threads", "value": 0}),
        ({"shift": 1.0}, "config.value", {"key": "recipe.shift", "value": 1.0}),
        ({"shift": -0.1}, "config.value", {"key": "recipe.shift", "value": -0.1}),
        ({"seed": -1}, "config.value", {"key": "seed", "value": -1}),
        ({"recipe": Recipe(batch_size=64, accumulation=16)}, "training.batch-size", {"batch_size": 64, "images": 28}),
        ({"recipe": "nowhere"}, "reference.unknown", {}),
    ],
)
def test_what_cannot_be_trained_is_one_clear_line(images, tmp_path, wrong, code, fields):
    with refused(code, **fields):
        train(**({"net": network(), "data": images, "out": tmp_path / "run", "recipe": RECIPE} | wrong))
    assert not (tmp_path / "run" / "train.json").exists()


def test_fewer_images_than_a_batch_are_one_batch_and_that_is_told(images, tmp_path, caplog):
    found = train(network(), images, out=tmp_path / "run", recipe=Recipe(epochs=2, batch_size=64))
    assert (found.record.used["batch_size"], found.record.used["updates"]) == (28, 2)
    assert "a batch is 28 images instead of 64" in caplog.text


def test_many_at_once_are_as_each_alone(images, tmp_path):
    jobs = [Job(network(), tmp_path / f"many-{seed}", seed) for seed in range(3)]
    records = train_many(jobs, images, recipe=RECIPE, workers=2)
    for seed, record in enumerate(records):
        alone = train(network(), images, out=tmp_path / f"alone-{seed}", recipe=RECIPE, seed=seed, threads=1)
        assert (record.seed, record.history) == (seed, alone.history)
        assert weights(tmp_path / f"many-{seed}") == weights(tmp_path / f"alone-{seed}")
    assert train_many(jobs, images, recipe=RECIPE) == records


FRAGILE = """
import os, signal
from pathlib import Path
from hwnas.training.recipe import Recipe

class Counted:
    def __init__(self, schedule, counter, deadly):
        self.schedule, self.counter, self.deadly = schedule, Path(counter), deadly

    def step_update(self, num_updates):
        with self.counter.open("a") as file:
            file.write(".")
        if self.counter.stat().st_size == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        self.schedule.step_update(num_updates)

class Fragile(Recipe):
    counter: str = ""
    deadly: int = 0

    def make_schedule(self, optimizer, updates):
        return Counted(super().make_schedule(optimizer, updates), self.counter, self.deadly)

fragile = Fragile(epochs=3, batch_size=16, counter="counted")
deadly = Fragile(epochs=3, batch_size=16, counter="counted", deadly=11)
"""
"""Recipes of a lone file: both count all updates in a file, and one kills the process at the eleventh, which is the
fifth of the second job, after two of its three epochs."""


@pytest.fixture
def my_recipes(tmp_path, monkeypatch):
    """The path of a file with the recipes `fragile` and `deadly`, in the current folder."""
    monkeypatch.chdir(tmp_path)
    Path("my.py").write_text(FRAGILE)
    return Path("my.py")


def test_a_killed_worker_is_one_line_and_the_same_call_goes_on_to_the_same_end(images, my_recipes):
    jobs = [Job(network(), Path(f"many-{seed}"), seed) for seed in range(2)]
    with refused("workers.died", workers=1):
        train_many(jobs, images, recipe="my.py:deadly", workers=1, val=0)
    assert (files(jobs[0].out).keys(), list(files(jobs[1].out))) == (RUN, ["train.state"])
    records = train_many(jobs, images, recipe="my.py:deadly", workers=1, val=0)
    assert Path("counted").stat().st_size == 6 + 4 + 1 + 2  # the third epoch of the second job was begun again
    for job, record in zip(jobs, records, strict=True):
        assert record.config.recipe_name == "my.py:deadly"
        alone = train(
            network(), images, out=f"alone-{job.seed}", recipe="my.py:fragile", seed=job.seed, threads=1, val=0
        )
        assert alone.history == record.history
        assert weights(job.out) == weights(alone.path)


def test_a_file_that_changes_before_the_workers_load_it_is_told_in_one_line(images, my_recipes, monkeypatch):
    load_data = jobs_of.load_data

    def change(*args):
        my_recipes.write_text(FRAGILE + "# changed\n")
        return load_data(*args)

    monkeypatch.setattr("hwnas.pipeline.train.load_data", change)
    with refused("workers.not-shared"):
        train_many([Job(network(), Path("out"))], images, recipe="my.py:fragile", workers=1)


def test_what_goes_wrong_in_one_of_many_is_raised(images, tmp_path):
    jobs = [Job(network(), tmp_path / str(seed), seed) for seed in range(2)]
    diverging = Recipe(epochs=1000, batch_size=16, optimizer="sgd", lr=1e30)
    with refused("training.diverged", DivergedError):
        train_many(jobs, images, recipe=diverging, workers=1)


@pytest.mark.parametrize(
    ("jobs", "code"),
    [
        ([Job(network(), Path("same")), Job(network(width=16), Path("same"))], "training.shared-folder"),
        ([Job(network(), Path("a")), Job(network(size=16), Path("b"))], "training.resolutions"),
    ],
)
def test_jobs_that_cannot_be_done_together_are_refused(images, jobs, code):
    with refused(code):
        train_many(jobs, images, recipe=RECIPE)


SCRIPT = """
import faulthandler
import signal
import sys
from pathlib import Path
from hwnas.pipeline.train import Job, train_many
from hwnas.training.recipe import Recipe

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started without
    faulthandler.enable()  # where it stands is told if it does not end
    net, images, out = map(Path, sys.argv[1:])
    train_many([Job(net, out)], images, recipe=Recipe(epochs=10000, batch_size=16))
"""


def ended(parent):
    """What `parent` says on stderr until it ends; fails with the stacks of its threads where it does not."""
    try:
        return parent.communicate(timeout=30)[1]
    except subprocess.TimeoutExpired:
        parent.send_signal(signal.SIGABRT)
        time.sleep(1)
        os.killpg(parent.pid, signal.SIGKILL)
        return pytest.fail(f"it does not end: {parent.communicate()[1]}")


def wait_for(path, process):
    """Wait until `process` has written the file `path`."""
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no POSIX signals")
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_the_workers_end_with_their_parent_and_without_a_word(images, tmp_path, end):
    write_json(tmp_path / "net.json", network().to_json())
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "script.py", tmp_path / "net.json", images, tmp_path / "out"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        wait_for(tmp_path / "out" / "train.state", parent)
    except BaseException:
        os.killpg(parent.pid, signal.SIGKILL)  # it would train for hours
        raise
    # a terminal sends Ctrl-C to the whole group
    os.killpg(parent.pid, end) if end == signal.SIGINT else parent.kill()
    told = ended(parent)
    assert told.count("Traceback") == (end == signal.SIGINT)  # the script's own KeyboardInterrupt
    for _ in range(100):
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived its parent")
