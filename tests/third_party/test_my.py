from hwnas.testing import RewardContract, RuntimeContract, SamplerContract, SpaceContract


class TestSpace(SpaceContract):
    reference = "my.py:space"
