import os
import platform
import subprocess
import sys
from importlib.resources import files
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from hwnas.nn.supernet import resized
from hwnas.testing import refused
from hwnas.training import memory
from hwnas.training.data import holdout, load
from hwnas.training.decode import prepared_pillow
from hwnas.training.memory import keep_freed_memory, require_memory
from hwnas.training.splits import Split


def test_the_packaged_images_are_the_ones_that_were_drawn():
    data = load()
    assert (data.name, len(data.labels), data.resolution, data.fitting) == (
        "fashion-mnist-small",
        10,
        32,
        "zero padding from 28 pixels",
    )
    for split, per_class in ((data.train, 800), (data.test, 200)):
        assert split.images.shape == (10 * per_class, 3, 32, 32)
        assert split.images.dtype == torch.uint8
        assert split.labels.dtype == torch.int64
        assert split.labels.bincount().tolist() == [per_class] * 10
    assert data.fingerprint == "c6aeeb25022cefde"


def test_the_packaged_images_come_with_licence_and_source_and_stay_small():
    folder = files("hwnas") / "data" / "fashion-mnist-small"
    assert "MIT" in (folder / "LICENSE").read_text()
    assert "Fashion-MNIST" in (folder / "SOURCE.md").read_text()
    assert sum(len(path.read_bytes()) for path in folder.iterdir()) <= 5e6


def test_grey_images_are_padded_a_little_and_resized_otherwise():
    padded, same, larger = (load(resolution=size).test.images for size in (32, 28, 40))
    assert torch.equal(padded[:, :, 2:-2, 2:-2], same)
    assert padded[:, :, :2].sum() == 0
    assert larger.shape[2:] == (40, 40)
    assert torch.equal(larger[:, 0], larger[:, 2])


def test_mean_and_deviation_are_of_the_training_images(images):
    data = load(images, 10)
    pixels = data.train.images.double().numpy() / 255
    np.testing.assert_allclose(data.mean, pixels.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(data.std, pixels.std((0, 2, 3)), atol=1e-6)
    normal = data.normalise(data.train.images).double().numpy()
    np.testing.assert_allclose(normal.mean((0, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(normal.std((0, 2, 3)), 1, atol=1e-5)


def test_a_folder_of_classes_is_divided_the_same_way_every_time(images):
    data = load(images, 10)
    assert data.labels == ("blue", "green", "red")
    assert data.train.labels.bincount().tolist() == [8, 8, 8]
    assert data.test.labels.bincount().tolist() == [2, 2, 2]
    assert data.fingerprint == load(str(images), 10).fingerprint
    stored = {np.asarray(Image.open(path))[:, 1:-1].tobytes() for path in images.rglob("*.png")}
    both = torch.cat([data.train.images, data.test.images]).permute(0, 2, 3, 1)
    assert {image.numpy().tobytes() for image in both} == stored  # the middle 10×10 of every image, each once


@pytest.mark.parametrize("test", ["test", "val"])
def test_a_folder_with_train_and_test_is_taken_as_divided(images, test):
    for split in ("train", test):
        for name in ("green", "red"):
            (images.parent / "split" / split / name).mkdir(parents=True)
    for index, path in enumerate(sorted(images.glob("*/*.png"))):
        if path.parent.name != "blue":
            path.rename(images.parent / "split" / ("train" if index % 2 else test) / path.parent.name / path.name)
    data = load(images.parent / "split", 8)
    assert (len(data.train), len(data.test), data.labels) == (10, 10, ("green", "red"))


def test_a_class_may_be_called_train(images):
    (images / "green").rename(images / "train")
    assert load(images, 8).labels == ("blue", "red", "train")


def test_any_kind_of_image_becomes_rgb(images):
    Image.new("CMYK", (64, 48), (0, 0, 0, 0)).save(images / "red" / "0.jpg")
    Image.new("L", (16, 16), 255).save(images / "red" / "1.png")
    Image.new("P", (16, 16)).save(images / "red" / "2.bmp")
    data = load(images, 8)
    assert data.train.images.shape[1:] == (3, 8, 8)
    assert len(data.train) + len(data.test) == 32


def remove(folder, *names):
    for name in names:
        for path in (folder / name).iterdir():
            path.unlink()
        (folder / name).rmdir()


def one_class(folder):
    remove(folder, "blue", "green")


def no_classes(folder):
    remove(folder, "blue", "green", "red")


def empty_class(folder):
    (folder / "empty").mkdir()


def single_image(folder):
    (folder / "single").mkdir()
    (folder / "red" / "0.png").rename(folder / "single" / "0.png")


def truncated_image(folder):
    path = folder / "red" / "3.png"
    path.write_bytes(path.read_bytes()[:60])


def text_as_image(folder):
    (folder / "green" / "4.jpg").write_text("not an image")


def train_alone(folder):
    (folder / "train" / "a").mkdir(parents=True)


def unequal_classes(folder):
    for split, name in (("train", "green"), ("train", "red"), ("test", "green"), ("test", "other")):
        (folder / split / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / split / name / "0.png")


@pytest.mark.parametrize(
    ("spoil", "code", "fields"),
    [
        (one_class, "data.one-class", {"label": "red"}),
        (no_classes, "data.no-folders", {}),
        (empty_class, "data.empty-class", {"label": "empty"}),
        (single_image, "data.class-too-small", {"label": "single"}),
        (truncated_image, "data.bad-images", {"path": "red/3.png"}),
        (text_as_image, "data.bad-images", {"path": "green/4.jpg"}),
        (train_alone, "data.no-test-split", {}),
        (unequal_classes, "data.other-classes", {"labels": ("other", "red")}),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_clear_line(images, spoil, code, fields, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # for the list of bad images
    spoil(images)
    with refused(code, **fields):
        load(images, 8)


def test_no_such_data_set_names_those_there_are():
    with refused("data.unknown", name="imagenet") as refusal:
        load("imagenet")
    assert "fashion-mnist-small, fashion-mnist, cifar10" in refusal.message


def test_more_images_than_memory_is_refused_with_both_figures():
    size = min(limit.size for limit in memory.memory_limits())
    assert size <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    require_memory(1000, 224)
    with refused("data.memory", resolution=224, memory=size):
        require_memory(size // (3 * 224**2), 224)


VERSION_1 = {
    "proc/self/cgroup": "5:cpu:/\n4:memory:/jobs/one\n0::/\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",  # which is none
    "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": "50000000\n",
    "sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": "9223372036854771712\n",
}
VERSION_2 = {
    "proc/self/cgroup": "0::/jobs/one\n",
    "sys/fs/cgroup/jobs/memory.max": "max\n",
    "sys/fs/cgroup/jobs/one/memory.max": "50000000\n",
}
CONTAINER = {"proc/self/cgroup": "0::/docker/12ab\n", "sys/fs/cgroup/memory.max": "50000000\n"}


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2, CONTAINER])
def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch, files):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    limits = list(memory.memory_limits(tmp_path))
    monkeypatch.setattr(memory, "memory_limits", lambda: iter(limits))
    require_memory(100, 224)
    with refused("data.memory", images=200, memory=50_000_000):
        require_memory(200, 224)


def test_the_limit_of_ulimit_counts():
    pytest.importorskip("resource")
    script = """
import resource
from hwnas.training.memory import require_memory
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, resource.RLIM_INFINITY))
require_memory(1000, 224)
require_memory(4000, 224)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "InputError: 4000 images of 224 px take 0.56 GiB, over half of the 1 GiB" in result.stderr
    assert "ulimit -v" in result.stderr


def idx(values):
    values = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, values.ndim]) + b"".join(size.to_bytes(4, "big") for size in values.shape) + values.tobytes()


def test_fashion_mnist_is_read_from_a_torchvision_root(tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 20), ("t10k", 10)):
        (raw / f"{split}-images-idx3-ubyte").write_bytes(idx(np.full((count, 28, 28), 51)))
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(count) % 10))
    data = load("fashion-mnist", 28, tmp_path)
    assert (len(data.train), len(data.test), data.labels[0]) == (20, 10, "T-shirt/top")
    assert data.mean == (0.2, 0.2, 0.2)


@pytest.mark.parametrize(("name", "kind"), [("cifar10", datasets.CIFAR10), ("fashion-mnist", datasets.FashionMNIST)])
def test_without_the_files_and_a_network_it_says_what_to_do(name, kind, tmp_path, monkeypatch):
    def offline(self):
        raise URLError("no network")

    monkeypatch.setattr(kind, "download", offline)
    with refused("data.not-available", name=name, root=tmp_path):
        load(name, 32, tmp_path)


def test_a_holdout_is_a_share_of_each_class_and_disjoint():
    labels = torch.tensor([0] * 40 + [1] * 20 + [2] * 2)
    split = Split(torch.arange(62).reshape(-1, 1, 1, 1).expand(-1, 3, 1, 1), labels)
    rest, validation = holdout(split, 0.25, seed=1)
    assert validation.labels.bincount().tolist() == [10, 5, 1]
    assert sorted([*rest.images[:, 0].flatten().tolist(), *validation.images[:, 0].flatten().tolist()]) == list(
        range(62)
    )
    again, other = (holdout(split, 0.25, seed)[1].images for seed in (1, 2))
    assert torch.equal(validation.images, again)
    assert not torch.equal(validation.images, other)


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_holdout_of_no_share_is_refused(dataset, share):
    with refused("data.share"):
        holdout(dataset.train, share, 0)


def test_the_only_image_of_a_class_is_not_held_out_and_its_class_is_named(dataset, caplog):
    rest, validation = holdout(dataset.train.take(np.array([0, 1, 2, 3, 4])), 0.5, 0, dataset.labels)
    assert rest.labels.bincount().tolist() == [1, 1, 1]
    assert validation.labels.bincount().tolist() == [1, 1]
    assert "class red" in caplog.text


def test_nothing_can_be_held_out_of_classes_of_one(dataset):
    with refused("data.class-too-small", label="blue"):
        holdout(dataset.train.take(np.array([0, 1, 2])), 0.5, 0, dataset.labels)


def test_glibc_keeps_freed_memory_while_asked_to(monkeypatch):
    asked, ask = [], memory._set_thresholds
    monkeypatch.setattr(memory, "_set_thresholds", lambda *sizes: (asked.append(sizes), ask(*sizes))[1])
    with keep_freed_memory() as kept, keep_freed_memory():
        assert kept == ("glibc" in platform.libc_ver()[0])
    assert asked == [(2**30, 2**31 - 1)] * 2 + [(2**25, 2**26)], "once, at the end of the outer one"


def test_reading_packaged_images_takes_no_torchvision():
    without = "import sys; sys.modules.update(torchvision=None, PIL=None, timm=None)"
    code = f"{without}; from hwnas.training.data import load; load()"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_images_of_a_folder_without_what_decodes_them_is_one_line(images, monkeypatch):
    prepared_pillow.cache_clear()
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with refused("install.missing", package="PIL"):
        load(images, 8)


def test_a_data_set_at_another_resolution_has_the_same_images_rounded(dataset):
    small = dataset.at(4)
    assert dataset.at(8) is dataset
    assert small.resolution == 4
    for part, of in ((small.train, dataset.train), (small.test, dataset.test)):
        exact = resized(of.images.float(), 4)
        assert part.images.dtype == torch.uint8
        assert (part.images - exact).abs().max() <= 0.5
        assert torch.equal(part.labels, of.labels)
    assert small.mean == dataset.mean
