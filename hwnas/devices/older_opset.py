"""Write an ONNX model in an older version of ONNX, for a runtime that reads no newer one."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import helper, version_converter

from ..errors import InputError
from .answers import printable


def rewrite(path: Path, opset: int, out: Path) -> Path:
    """The model of `path` in `opset` at most, and in the IR version that came with it: `path`, or `out`, where it is
    newer. It computes the same.

    Raises `InputError`, with the reason alone, for an operator that the older opset has not.
    """
    model = onnx.load(path)
    before = model.SerializeToString(deterministic=True)
    versions = {known.domain: known.version for known in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", 0))
    if version > opset:
        try:
            model = version_converter.convert_version(model, opset)
        except Exception as error:  # onnx raises nearly anything here, and all of it is about the model
            raise InputError(
                f"it cannot be written in opset {opset}: {printable(error)}", code="model.no-older-opset", opset=opset
            ) from None
    model.ir_version = min(model.ir_version, helper.find_min_ir_version_for([helper.make_opsetid("", opset)]))
    if not model.functions:
        _drop_unused(model)
    if model.SerializeToString(deterministic=True) == before:
        return path
    onnx.save(model, out)
    return out


def _drop_unused(model: onnx.ModelProto) -> None:
    """Take out the versions of domains that no node is of, which onnxruntime's quantiser leaves: they are new too."""
    used = {"", "ai.onnx", *_domains(model.graph)}
    for known in [known for known in model.opset_import if known.domain not in used]:
        model.opset_import.remove(known)


def _domains(graph: onnx.GraphProto) -> Iterator[str]:
    """The domain of every node, also of those in graphs inside it."""
    for node in graph.node:
        yield node.domain
        for attribute in node.attribute:
            for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _domains(inner)
