"""Edges of what trains: processes, memory, checkpoints, weights to begin with, named data sets."""

import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hwnas.files import sha256
from hwnas.nn.build import build
from hwnas.nn.timm_weights import ImageSettings
from hwnas.testing import refused
from hwnas.training import initial, loader, memory, sources, teacher
from hwnas.training.checkpoints import Saving
from hwnas.training.loader import Loaded
from hwnas.training.loop import Loop
from hwnas.training.recipe import Recipe
from hwnas.training.run import WEIGHTS
from hwnas.training.transfer import parameter_groups

DIED = RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")


def numbered(step):
    if step == 1:
        raise ZeroDivisionError("by zero")
    if step == 2:
        memory.require_memory(2**40, 2**10)
    return torch.full((1, 3, 1, 1), float(step)), torch.tensor([step])


def test_a_process_hands_over_batches_shared_or_as_arrays():
    images, labels = loader._Made(numbered, shared=True)[5]
    assert (images[0, 0, 0, 0].item(), labels.item()) == (5, 5)
    arrays = loader._Made(numbered, shared=False)[5]
    assert [type(part) for part in arrays] == [np.ndarray] * 2
    assert loader._as_it_is(arrays) is arrays


def test_a_process_hands_over_an_error_in_place_of_its_batch():
    made = loader._Made(numbered, shared=True)
    assert (made[1].code, made[1].fields["step"]) == ("data.batch", 1)
    assert made[2].code == "data.memory"


def test_a_process_leaves_ctrl_c_to_its_parent():
    before = signal.getsignal(signal.SIGINT)
    try:
        loader._begin(0)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_process_that_dies_between_two_batches_is_one_line():
    with refused("data.worker-died", workers=3):
        Loaded(numbered, workers=3).__exit__(RuntimeError, DIED, None)


@pytest.mark.parametrize("error", [DIED, EOFError(), OSError("gone")])
def test_a_process_that_dies_in_a_batch_is_one_line(error):
    loaded = waiting(error)
    with refused("data.worker-died", workers=1):
        loaded._wait_for(0, None)
    assert loaded._coming is None


def test_other_errors_of_waiting_are_what_they_are():
    with pytest.raises(RuntimeError, match="of torch"):
        waiting(RuntimeError("of torch"))._wait_for(0, None)


def waiting(error):
    """A loader whose next batch is `error`."""

    class Coming:
        def __next__(self):
            raise error

        def _shutdown_workers(self):
            pass

    loaded = Loaded(numbered, workers=1)
    loaded._coming, loaded._next = Coming(), 0
    return loaded


@pytest.mark.parametrize(("system", "roomy"), [("linux", False), ("darwin", True)])
def test_without_shared_memory_as_a_folder_linux_has_none(monkeypatch, system, roomy):
    monkeypatch.setattr(loader.os.path, "isdir", lambda path: False)
    monkeypatch.setattr(loader.sys, "platform", system)
    assert loader._is_shared_memory_roomy() == roomy


def test_limits_of_ulimit_are_less_what_is_mapped(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "self" / "statm").write_text("10 0 0 0 0 20 0")
    soft = {resource.RLIMIT_AS: 2**30, resource.RLIMIT_DATA: resource.RLIM_INFINITY}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft[kind], 0))
    monkeypatch.delattr(memory.os, "sysconf")
    (found,) = memory.memory_limits(tmp_path)
    assert found == memory.Limit(2**30 - 10 * resource.getpagesize(), "what ulimit -v leaves")


def test_without_glibc_nothing_is_given_back(monkeypatch):
    opened = []
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: opened.append(name) or SimpleNamespace())
    memory.give_back_freed_memory()
    assert opened == [None]


def test_a_run_without_a_folder_saves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saving = Saving(None)
    saving.save({"step": torch.tensor(1)})
    assert not saving.due()
    assert saving.load() is None
    assert not list(tmp_path.iterdir())


@pytest.fixture
def loop(net, dataset, monkeypatch):
    """A loop before its first update, whose state is noted in place of being written."""
    monkeypatch.setattr(Loop, "state", lambda self: {"step": self.step})
    return Loop(build(net), dataset, Recipe(epochs=1, batch_size=8), seed=0)


def test_weights_that_are_no_numbers_are_not_saved(loop, tmp_path):
    with torch.no_grad():
        next(loop.trainee.module.parameters()).fill_(float("nan"))
    with refused("training.diverged"):
        loop._save(Saving(tmp_path / "state"), None)
    assert not (tmp_path / "state").exists()


def test_only_the_main_rank_saves(loop, tmp_path):
    loop.ranks = SimpleNamespace(main=False)
    loop._save(Saving(tmp_path / "state"), None)
    assert not (tmp_path / "state").exists()


def test_frozen_parameters_are_in_no_group(net):
    module = build(net)
    frozen = {id(parameter) for parameter in next(iter(module)).requires_grad_(False).parameters()}
    kept = [parameter for group in parameter_groups(module, 0.1) for parameter in group["params"]]
    assert frozen
    assert {id(parameter) for parameter in kept} == {id(one) for one in module.parameters()} - frozen


def test_weights_are_told_apart_by_their_file_or_name(tmp_path):
    assert initial.fingerprint("timm:some") == sha256(b"timm:some")
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    assert initial.fingerprint(str(tmp_path)) == sha256(b"weights")
    assert initial.fingerprint(f"timm:some={tmp_path / WEIGHTS}") == sha256(b"weights")
    with refused("initial.unknown"):
        initial.fingerprint(str(tmp_path / "none"))


def test_weights_that_timm_fetches_are_those_of_its_model(net, monkeypatch):
    module, asked = build(net), []
    monkeypatch.setattr(initial.initial, "download", lambda given, name: asked.append((given, name)) or module)
    found = initial.find("timm:some", net, None, None)
    assert (found.source, found.kind, found.module, found.sha256) == (
        "timm:some", "timm", module, initial.digest(module),
    )  # fmt: skip
    assert asked == [(net, "some")]


@pytest.fixture
def of_timm(monkeypatch):
    """timm's models are a stub of three classes, trained at 64 px."""
    module = torch.nn.Linear(4, 3)
    found = ImageSettings((0.5,) * 3, (0.25,) * 3, 64)
    monkeypatch.setattr(teacher.timm_weights, "download", lambda name: module)
    monkeypatch.setattr(teacher.timm_weights, "image_settings", lambda given: found)
    monkeypatch.setattr(teacher.initial, "read_timm", lambda name, file: module)
    monkeypatch.setattr(teacher.initial, "count_classes", lambda given: 3)
    return module


@pytest.mark.parametrize(("named", "resolution"), [("", 64), ("=w.pt", 8)])
def test_a_teacher_of_timm_sees_images_as_it_was_trained(
    of_timm, net, dataset, tmp_path, monkeypatch, named, resolution
):
    monkeypatch.chdir(tmp_path)
    found = teacher.find(f"timm:some{named}", net, dataset, None, None)
    assert found.module is of_timm
    assert found.taught.source == f"timm:some{named}"
    assert (found.taught.resolution, found.taught.params) == (resolution, 15)
    assert found.change is not None, "it has a mean of its own"


@pytest.fixture
def cifar(monkeypatch):
    """A function that has torchvision's CIFAR-10 be what a function of (root, train, download) gives."""

    def become(kind):
        monkeypatch.setattr(sources, "require", lambda name: SimpleNamespace(CIFAR10=kind))

    return become


def test_cifar_10_is_read_in_torchvisions_order_of_axes(cifar, tmp_path):
    def kind(root, train, download=False):
        pixels = np.zeros((2, 32, 32, 3), np.uint8)
        pixels[..., 1] = 7
        return SimpleNamespace(data=pixels, targets=[1, 0] if train else [0, 1], classes=["cat", "owl"])

    cifar(kind)
    found = sources.READERS["cifar10"](32, tmp_path)
    assert found.labels == ("cat", "owl")
    assert found.train.images[:, :, 0, 0].tolist() == [[0, 7, 0]] * 2
    assert (found.train.labels.tolist(), found.test.labels.tolist()) == ([1, 0], [0, 1])


@pytest.mark.parametrize("there", [True, False])
def test_a_download_that_fails_leaves_the_folder_as_it_was(cifar, tmp_path, there):
    root = tmp_path / "root"

    def kind(root, train, download=False):
        if download:
            (root / "cifar").mkdir(parents=True, exist_ok=True)
        raise RuntimeError("no network")

    if there:
        (root / "cifar").mkdir(parents=True)
    cifar(kind)
    with refused("data.not-available", name="cifar10", root=root):
        sources.READERS["cifar10"](32, root)
    assert root.exists() == there
