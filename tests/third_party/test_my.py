from hwnas.testing import RuntimeContract, SpaceContract
from my import Unoptimised


class TestSpace(SpaceContract):
    reference = "my.py:space"


class TestRuntime(RuntimeContract):
    runtime = Unoptimised()
