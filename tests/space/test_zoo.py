"""What is published of the networks of the zoo. That they compute the same as elsewhere: tests/nn."""

import pytest
import torchvision

from hwnas.space import zoo
from hwnas.testing import refused

TORCHVISIONS = [name for name in zoo.names() if hasattr(torchvision.models, name)]


@pytest.mark.parametrize("name", TORCHVISIONS)
def test_macs_are_those_that_torchvision_publishes(name):
    weights = torchvision.models.get_model_weights(name).DEFAULT
    net = zoo.get(name, resolution=weights.transforms.keywords["crop_size"])
    assert net.params == weights.meta["num_params"]
    assert round(net.macs / 1e9, 3) == pytest.approx(weights.meta["_ops"], abs=1e-6)


def test_figures_that_authors_publish():
    assert len(TORCHVISIONS) == 12
    assert zoo.get("semnasnet_100").macs == pytest.approx(312e6, rel=0.005)  # 1807.11626, table 1
    assert zoo.get("spos").macs == pytest.approx(328e6, rel=0.005)  # the code of 1904.00420
    converted = {"proxyless_cpu": 4361648, "proxyless_gpu": 7119848, "proxyless_mobile": 4080512}
    assert {name: zoo.get(name).params for name in converted} == converted  # as others count the authors' networks


def test_the_classifier_and_the_images_can_be_others():
    for name in zoo.names():
        usual, other = zoo.get(name), zoo.get(name, classes=7, resolution=40)
        assert (usual.name, usual.classes, other.classes, other.resolution) == (name, 1000, 7, 40)
        assert [block.cout for block in usual.blocks[:-1]] == [block.cout for block in other.blocks[:-1]]


def test_fbnet_c_is_made_of_the_blocks_of_its_space():
    assert {block.op for block in zoo.get("fbnetc_100").blocks[1:-2]} == {"fbconv"}


def test_what_is_not_in_the_zoo_is_refused():
    with refused("zoo.unknown", name="resnet"):
        zoo.get("resnet")
    for numbers in ({"classes": 0}, {"resolution": 0}):
        with refused("zoo.size", **numbers):
            zoo.get("spos", **numbers)
