import pytest

from hwnas.pipeline.train import train
from hwnas.space.net import Block, Net
from hwnas.training.recipe import Recipe


@pytest.fixture(scope="session")
def images(make_images):
    """A folder with one folder of twenty 8 px images for each of three classes."""
    return make_images(8, 20)


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
