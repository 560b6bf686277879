"""Every built-in space, and spaces as strangers bring them, keep to the contract."""

from pathlib import Path

from hwnas.space import registry
from hwnas.testing import SpaceContract

FILES = Path(__file__).parent / "files"


def contract_of(reference: str) -> type[SpaceContract]:
    """The tests of one space; images of 224 px take long."""
    return type("TestSpace", (SpaceContract,), {"reference": reference, "runs": 1 if of_imagenet(reference) else 3})


def of_imagenet(reference: str) -> bool:
    return registry.get(reference).resolution > 32


for _name in registry.SPACES:
    globals()[f"TestSpace{_name.title().replace('-', '')}"] = contract_of(_name)


class TestASpaceAsYaml(SpaceContract):
    reference = str(FILES / "mobilenetv3-32.yaml")


class TestASpaceOfAModule(SpaceContract):
    reference = "hwnas.space.layerwise:nas_bench_macro_16"
