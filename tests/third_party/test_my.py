from my import Unoptimised

from hwnas.testing import RuntimeContract, SpaceContract


class TestSpace(SpaceContract):
    reference = "my.py:space"


class TestRuntime(RuntimeContract):
    runtime = Unoptimised()
