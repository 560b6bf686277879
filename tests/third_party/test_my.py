from my import Unoptimised

from hwnas.testing import RewardContract, RuntimeContract, SamplerContract, SpaceContract


class TestMySpace(SpaceContract):
    reference = "my.py:space"


class TestMyStrategy(SamplerContract):
    reference = "my.py:Climb"


class TestMyObjective(RewardContract):
    reference = "my.py:Excess"


class TestMyRuntime(RuntimeContract):
    runtime = Unoptimised()
