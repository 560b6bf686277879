import collections

import onnx
import onnxruntime
import pytest
import torch

from hwnas.deploy.onnx import export_onnx, fused, onnx_logits
from hwnas.errors import VerificationError
from hwnas.nn.build import build
from hwnas.space.net import Block, Net
from hwnas.testing import refused
from hwnas.training.data import load
from hwnas.training.evaluate import logits
from hwnas.training.run import read_module


@pytest.fixture(scope="module")
def module(run):
    return read_module(run)


@pytest.fixture(scope="module")
def model(module):
    return export_onnx(module, 8)


def test_the_model_answers_as_torch_does_whatever_the_batch(module, model):
    session = onnxruntime.InferenceSession(model)
    for batch in (1, 2, 7):
        x = torch.randn(batch, 3, 8, 8)
        with torch.no_grad():
            expected = module(x)
        (answer,) = session.run(["logits"], {"images": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(answer), expected, rtol=0, atol=1e-5)


def test_a_shuffle_of_channels_is_exported_for_any_batch(awake):
    shuffled = Block("fbconv", 3, 3, 8, 8, 3, expansion=2, groups=3, act="relu", residual=True)
    module = awake(build(Net((shuffled, Block("classifier", 3, 4, 8, 8))), seed=0)).eval()
    session = onnxruntime.InferenceSession(export_onnx(module, 8))
    for batch in (1, 3):
        x = torch.randn(batch, 3, 8, 8)
        with torch.no_grad():
            expected = module(x)
        (answer,) = session.run(["logits"], {"images": x.numpy()})
        torch.testing.assert_close(torch.from_numpy(answer), expected, rtol=0, atol=1e-5)


def test_norms_are_folded_and_nothing_is_left_outside(model):
    loaded = onnx.load_from_string(model)
    kinds = collections.Counter(node.op_type for node in loaded.graph.node)
    assert kinds["Conv"] == 9  # the stem, five of the first mbconv with its squeeze and excite, three of the second
    assert {"Clip", "HardSwish", "Sigmoid", "Gemm", "Add"} <= kinds.keys()
    assert "BatchNormalization" not in kinds
    assert {opset.domain: opset.version for opset in loaded.opset_import}[""] >= 18
    assert not any(weight.external_data for weight in loaded.graph.initializer)


def test_the_model_tells_nothing_of_the_machine_that_exported_it(model):
    assert b".py" not in model
    assert b"/" not in b"".join(node.SerializeToString() for node in onnx.load_from_string(model).graph.node)


def test_the_exporter_is_quiet(module, capfd):
    export_onnx(module, 8)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_folding_keeps_the_function_and_the_module(module):
    before = {name: value.clone() for name, value in module.state_dict().items()}
    x = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(fused(module)(x), module(x), rtol=0, atol=1e-5)
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in fused(module).modules())


def test_logits_of_a_split_are_the_same_from_both(module, model, images):
    data = load(images, 8)
    ours, theirs = logits(module, data.test, data), onnx_logits(model, data.test, data)
    torch.testing.assert_close(theirs, ours, rtol=0, atol=1e-5)


def test_a_model_for_another_size_is_a_failed_verification(model, images):
    data = load(images, 10)
    with refused("bundle.model-fails", VerificationError):
        onnx_logits(model, data.test, data)
