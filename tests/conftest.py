"""One torch thread: the networks here are small, and tests must not depend on how many cores there are."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def awake():
    """A function that gives a module's BatchNorm random statistics and weights, and returns it.

    Fresh networks are at rest: norms change nothing and residual blocks are the identity, which hides differences.
    """

    def awaken(module):
        for part in module.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                for value in (part.weight.data, part.bias.data, part.running_mean, part.running_var):
                    value.uniform_(0.5, 1.5)
        return module

    return awaken
