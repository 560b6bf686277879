import numpy as np
import pytest
import torch
from PIL import Image

from hwnas.space.net import Block, Net
from hwnas.training.data import Dataset
from hwnas.training.splits import Split

COLOURS = {"blue": (0, 0, 200), "green": (0, 200, 0), "red": (200, 0, 0)}


def noisy(colour, size, rng):
    return np.clip(np.array(colour) + rng.normal(0, 60, (*size, 3)), 0, 255).astype(np.uint8)


@pytest.fixture
def images(tmp_path):
    """A folder with one folder of ten 12×10 images for each of three classes."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for index in range(10):
            Image.fromarray(noisy(colour, (10, 12), rng)).save(tmp_path / "images" / name / f"{index}.png")
    return tmp_path / "images"


@pytest.fixture
def dataset():
    """48 training and 24 test images of 8 px, three classes."""
    rng = np.random.default_rng(0)

    def split(count):
        labels = np.arange(count) % 3
        pixels = np.stack([noisy(list(COLOURS.values())[label], (8, 8), rng) for label in labels])
        return Split(torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels))

    return Dataset("tiny", tuple(COLOURS), split(48), split(24), (0.2, 0.3, 0.2), (0.3, 0.2, 0.4), True, "as they are")


@pytest.fixture
def net():
    """A network for 8 px and three classes."""
    blocks = (
        Block("conv", 3, 8, 8, 8, 3, act="relu6"),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=2, act="relu6", residual=True),
        Block("classifier", 8, 3, 8, 8),
    )
    return Net(blocks, "tiny")
