"""The examples that are not in `my.py` keep to the contracts too (the runtime: tests/devices/test_third_party.py)."""

from pathlib import Path

from hwnas.testing import RewardContract, SamplerContract, SpaceContract

HERE = Path(__file__).parent
PARTS = HERE / "package" / "hwnas_swift" / "parts.py"


class TestTinySpace(SpaceContract):
    reference = str(HERE / "tiny.yaml")


class TestSpaceOfThePackage(SpaceContract):
    reference = f"{PARTS}:space"


class TestMyStrategy(SamplerContract):
    reference = f"{HERE / 'my_strategy.py'}:Mine"


class TestStrategyOfThePackage(SamplerContract):
    reference = f"{PARTS}:Mutation"


class TestObjectiveOfThePackage(RewardContract):
    reference = f"{PARTS}:Excess"
