"""A trained module as one self-contained ONNX file, and its logits in onnxruntime."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..devices.opset import OPSET
from ..errors import HwnasError, VerificationError
from ..install import require
from ..training.data import Dataset
from ..training.evaluate import chunk_size
from ..training.loading import each_chunk
from ..training.splits import Images

INPUT, OUTPUT = "images", "logits"


def fused(module: nn.Module) -> nn.Module:
    """A copy of `module` for inference, every BatchNorm folded into the convolution before it.

    Folded in float64: a norm with a small variance would otherwise lose digits that no later step brings back.
    """
    copied: nn.Module = copy.deepcopy(module).double().eval()
    for parent in [part for part in copied.modules() if isinstance(part, nn.Sequential)]:
        for (conv_name, conv), (norm_name, norm) in pairwise(list(parent.named_children())):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, conv_name, fuse_conv_bn_eval(conv, norm))
                delattr(parent, norm_name)
    plain: nn.Module = copied.float().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return plain


def export_onnx(module: nn.Module, resolution: int) -> bytes:
    """`module`, in eval mode, as a checked ONNX model: `images` (batch, 3, R, R) float32 to `logits` (batch, classes).

    The batch is free, the weights are inside, and there is no BatchNorm left.
    """
    example = torch.zeros(2, 3, resolution, resolution)  # two: the exporter takes a batch of 1 for a constant
    require("onnxscript")  # the exporter needs it
    with _quiet():
        program = torch.onnx.export(
            fused(module),
            (example,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,  # as the graphs that blocks and finalists are timed with
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "only an exporter that writes the file itself gives none"
    model = program.model_proto
    graph = model.graph
    for item in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del item.metadata_props[:]  # stack traces, with the paths of the machine that exported
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def onnx_logits(model: bytes, split: Images, dataset: Dataset) -> torch.Tensor:
    """The logits of `model` in onnxruntime for every image of `split`: float32 (N, classes), as of `evaluate.logits`.

    Raises `VerificationError` ("bundle.model-fails") where it cannot run the model on such images.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        inputs = (dataset.normalise(images).contiguous() for images in each_chunk(split, chunk_size(split)))
        return torch.from_numpy(np.concatenate([session.run([OUTPUT], {INPUT: part.numpy()})[0] for part in inputs]))
    except HwnasError:  # of an image that cannot be read
        raise
    except Exception as error:  # onnxruntime's own exceptions share no public base
        raise VerificationError(
            f"onnxruntime cannot run the model: {str(error).splitlines()[0]}", code="bundle.model-fails"
        ) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, whose steps, warnings and logs say nothing that a user could act on."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
