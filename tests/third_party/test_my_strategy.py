"""The strategy of twenty lines keeps the contract of samplers."""

from pathlib import Path

from hwnas.testing import SamplerContract


class TestMine(SamplerContract):
    reference = f"{Path(__file__).with_name('my_strategy.py')}:Mine"
