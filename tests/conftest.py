"""One torch thread: the networks here are small, and tests must not depend on how many cores there are.

And what a search takes: images that are learnt at once, and a latency table of this machine's CPU and accuracies of
NAS-Bench-Macro whose figures are made up.
"""

import json
from contextlib import contextmanager
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import settings
from PIL import Image

from hwnas import devices
from hwnas.latency.active import sample_architectures
from hwnas.latency.predictor import LatencyPredictor
from hwnas.latency.stats import Estimate
from hwnas.latency.table import LatencyTable, Networks, columns_of, write_arch
from hwnas.space import registry

torch.set_num_threads(1)

settings.register_profile("hwnas", deadline=None, derandomize=True)  # a busy machine fails no test, nor does luck
settings.load_profile("hwnas")


@pytest.fixture
def awake():
    """A function that gives a module's BatchNorm random statistics and weights, and returns it.

    Fresh networks are at rest: norms change nothing and residual blocks are the identity, which hides differences.
    """

    def awaken(module):
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                statistics = (part.running_mean, part.running_var) if part.track_running_stats else ()
                for value in (part.weight.data, part.bias.data, *statistics):
                    value.uniform_(0.5, 1.5)
        return module

    return awaken


def exactly(ms):
    return Estimate(ms, ms, ms, ms, ms, ms, ms, rounds=10)


@pytest.fixture
def full_disk():
    """A context manager: in its body no file grows beyond so many bytes, as on a disk that is full."""
    resource = pytest.importorskip("resource")

    @contextmanager
    def limited(size):
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return limited


@pytest.fixture(scope="session")
def make_images(tmp_path_factory):
    """A function that makes a folder of three folders, one a class, of so many images of so many pixels a side."""

    def make(size, count):
        folder = tmp_path_factory.mktemp("data") / "colours"
        rng = np.random.default_rng(0)
        for channel, name in enumerate(("red", "green", "blue")):
            (folder / name).mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 120, (size, size, 3), np.uint8)
                pixels[:, :, channel] += 100
                Image.fromarray(pixels).save(folder / name / f"{index}.png")
        return folder

    return make


@pytest.fixture(scope="session")
def images(make_images):
    """A folder with one folder of sixty 32 px images for each of three classes."""
    return make_images(32, 60)


@pytest.fixture(scope="session")
def made_up_table():
    """A function of ms per million MACs to a table of a space, by default proxyless-32 for three classes, on this CPU;
    networks are sums."""
    with devices.get("cpu") as device:
        info = device.info

    def make(ms_per_million_macs=1.0, classes=3, name="proxyless-32", **changes):
        space = registry.get(name, classes)
        rows = {block.key: exactly(0.01 + ms_per_million_macs * block.macs / 1e6) for block in space.blocks()}
        archs = sample_architectures(space, 12, seed=0)
        ms = [0.005 + sum(rows[block.key].ms - 0.005 for block in space.derive(arch).blocks) for arch in archs]
        fitted = LatencyPredictor(space, archs, ms, columns_of(space, rows, exactly(0.005)))
        table = LatencyTable(
            space=space.name,
            classes=classes,
            fingerprint=space.fingerprint,
            device=info,
            date="2026-01-01T00:00:00+00:00",
            networks=Networks(tuple(map(write_arch, archs)), tuple(ms)),
            model=fitted.model,
            quality=fitted.quality,
            rows=rows,
            reference=exactly(0.15),
            overhead=exactly(0.005),
            precision=0.01,
            seconds=1.0,
        )
        return replace(table, **changes)

    return make


@pytest.fixture
def table(made_up_table, tmp_path):
    """The path of such a table; real networks are far faster than it says."""
    path = tmp_path / "cpu.proxyless-32.json"
    made_up_table().save(path)
    return path


@pytest.fixture(scope="session")
def accuracies(tmp_path_factory):
    """The path of a file like NAS-Bench-Macro's: every layer is worth something of its own, and trainings differ."""
    rng = np.random.default_rng(0)
    worth = rng.uniform(0, 6, (8, 3)).cumsum(axis=1)
    rows = {}
    for arch in product(range(3), repeat=8):
        trials = 50 + worth[range(8), arch].sum() / 4 + rng.normal(0, 0.3, 3)
        rows["".join(map(str, arch))] = {"test_acc": trials.tolist(), "mean_acc": trials.mean()}
    path = tmp_path_factory.mktemp("accuracies") / "macro.json"
    path.write_text(json.dumps(rows))
    return path
