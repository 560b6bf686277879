import numpy as np
import pytest
from PIL import Image

from hwnas.pipeline.train import train
from hwnas.space.net import Block, Net
from hwnas.training.recipe import Recipe


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """A folder with one folder of twenty 8 px images for each of three classes."""
    folder = tmp_path_factory.mktemp("data") / "colours"
    rng = np.random.default_rng(0)
    for channel, name in enumerate(("red", "green", "blue")):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 120, (8, 8, 3), np.uint8)
            pixels[:, :, channel] += 100
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture(scope="session")
def net():
    """A network for 8 px and three classes, with every kind of layer."""
    blocks = (
        Block("conv", 3, 8, 8, 8, 3, act="relu6"),
        Block("mbconv", 8, 8, 8, 8, 3, expansion=2, se=4, act="hswish", residual=True),
        Block("mbconv", 8, 16, 8, 8, 5, 2, expansion=3, act="swish"),
        Block("classifier", 16, 3, 4, 4),
    )
    return Net(blocks, "tiny")


@pytest.fixture(scope="session")
def run(images, net, tmp_path_factory):
    """The folder of a trained run; not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train(net, images, out=folder, recipe=Recipe(epochs=10, batch_size=16, lr=1e-2))
    return folder
