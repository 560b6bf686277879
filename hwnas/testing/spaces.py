"""The contract of a search space, as tests: subclass `SpaceContract` and say which space.

from hwnas.testing import SpaceContract

class TestMySpace(SpaceContract):
    reference = "my.py:space"
"""

from functools import cached_property
from typing import ClassVar

import numpy as np

from ..errors import InputError
from ..pipeline.check_space import derive, random_architectures, require_runs
from ..space import registry
from ..space.net import Net
from ..space.space import Arch, SearchSpace


class SpaceContract:
    """What every search space keeps to. `reference` says which; `samples` how many architectures are drawn of it, and
    `runs` how many networks are run."""

    reference: ClassVar[str]
    samples: ClassVar[int] = 50
    runs: ClassVar[int] = 3

    @cached_property
    def space(self) -> SearchSpace:
        """The space that is tested."""
        return registry.get(self.reference, trusted=True)

    @cached_property
    def archs(self) -> list[Arch]:
        """Architectures of it, drawn at random."""
        return random_architectures(self.space, self.samples)

    def test_the_reference_makes_the_same_space_every_time(self) -> None:
        """Tables and runs hold indices into it."""
        again = registry.get(self.reference, trusted=True)
        assert again == self.space
        assert again.fingerprint == self.space.fingerprint
        assert again.name == self.reference, "it is called by its reference"

    def test_it_is_made_for_any_number_of_classes_or_says_that_it_is_not(self) -> None:
        """And is another space then."""
        classes = self.space.classes + 3
        try:
            other = registry.get(self.reference, classes, trusted=True)
        except InputError as error:
            assert error.code == "space.classes"  # noqa: PT017  a fixed space is fine
            return
        assert other.classes == classes
        assert other.fingerprint != self.space.fingerprint
        assert other.choices == self.space.choices

    def test_every_network_fits_together_and_is_of_listed_blocks(self) -> None:
        """A latency table has a row for each block that is listed."""
        listed = set(self.space.blocks())
        for arch in self.archs:
            net = derive(self.space, arch)
            assert listed.issuperset(net.blocks)
            assert net.classes == self.space.classes
            assert net.resolution <= self.space.resolution

    def test_keys_tell_all_blocks_apart(self) -> None:
        """A block's key is its name in a latency table."""
        blocks = self.space.blocks()
        assert len({block.key for block in blocks}) == len(blocks)

    def test_encoding_round_trips(self) -> None:
        """One-hot rows for predictors."""
        for arch in self.archs:
            assert self.space.decode(self.space.encode(arch)) == arch

    def test_samples_are_uniform_in_every_decision(self) -> None:
        """By a chi-square test of 2000 architectures, which fails for 1 of 10,000 fair decisions."""
        from scipy.stats import chisquare

        rng = np.random.default_rng(0)
        drawn = np.array([self.space.sample(rng) for _ in range(2000)])
        for slot, options in enumerate(self.space.choices):
            assert chisquare(np.bincount(drawn[:, slot], minlength=options)).pvalue > 1e-4

    def test_neighbours_differ_in_one_decision(self) -> None:
        """All of them, each once."""
        arch = self.archs[0]
        found = list(self.space.neighbours(arch))
        assert len(set(found)) == len(found) == sum(self.space.choices) - len(self.space.choices)
        assert all(sum(a != b for a, b in zip(arch, other, strict=True)) == 1 for other in found)

    def test_the_smallest_and_the_largest_network_bound_the_others(self) -> None:
        """In MACs, exactly."""
        least, most = (derive(self.space, arch).macs for arch in (self.space.smallest, self.space.largest))
        assert all(least <= derive(self.space, arch).macs <= most for arch in self.archs)

    def test_networks_are_read_back_from_json(self) -> None:
        """As bundles and run folders store them."""
        for arch in self.archs[: self.runs]:
            net = derive(self.space, arch)
            assert Net.from_json(net.to_json()) == net

    def test_networks_run_as_onnx(self) -> None:
        """In onnxruntime, with random weights: that is what profiling measures."""
        for arch in (self.space.smallest, *self.archs[: self.runs - 1]):
            require_runs(derive(self.space, arch))

    def test_the_smallest_network_has_as_many_weights_in_torch_as_are_counted(self) -> None:
        """And gives a number for each class; skipped without torch."""
        import pytest

        torch = pytest.importorskip("torch")
        from ..nn.build import build

        net = derive(self.space, self.space.smallest)
        module = build(net, 0).eval()
        assert sum(weight.numel() for weight in module.parameters()) == net.params
        with torch.no_grad():
            assert module(torch.zeros(1, 3, net.resolution, net.resolution)).shape == (1, net.classes)
