"""A model is the weights' function where it is as near to float64 as float32 is, however large the logits are."""

import copy

import pytest
import torch

from hwnas.deploy.agreement import check_agreement
from hwnas.deploy.onnx import export_onnx
from hwnas.errors import VerificationError
from hwnas.testing import refused
from hwnas.training.data import load
from hwnas.training.run import read_module


@pytest.fixture(scope="module")
def dataset(images):
    return load(images, 8)


@pytest.fixture
def module(run):
    return read_module(run)


def times(module, factor):
    """`module` with logits that are `factor` times as large."""
    scaled = copy.deepcopy(module)
    with torch.no_grad():
        for parameter in scaled[-1].linear.parameters():
            parameter.mul_(factor)
    return scaled


@pytest.mark.parametrize("factor", [1e-4, 1, 1e4])
def test_a_sound_model_passes_whatever_its_logits(module, dataset, factor):
    scaled = times(module, factor)
    found = check_agreement(scaled, export_onnx(scaled, 8), dataset)
    assert found.top1 == found.onnx_top1 > 0.8
    assert (found.max_abs_logit_diff > 1e-4) == (factor == 1e4)


@pytest.mark.parametrize(("factor", "single", "layer"), [(1e-4, False, 9), (1e-4, True, 0), (1e4, True, 5)])
def test_a_weight_that_is_a_hundredth_off_is_refused(module, dataset, factor, single, layer):
    scaled = times(module, factor)
    names = [name for name, part in scaled.named_modules() if isinstance(part, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(names) == 10
    other = copy.deepcopy(scaled)
    weight = other.get_submodule(names[layer]).weight
    with torch.no_grad():
        if single:
            weight[weight.abs() == weight.abs().max()] *= 1.01
        else:
            weight.mul_(1.01)
    with refused("bundle.not-the-weights", VerificationError) as refusal:
        check_agreement(scaled, export_onnx(other, 8), dataset)
    assert refusal.error.fields["error"] > refusal.error.fields["allowed"]
