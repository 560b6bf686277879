"""Weights of timm's models, whose files do not say what function they are of: that is in the name of the model.

BatchNorm's epsilon differs (1e-5, or TensorFlow's 1e-3), and so does padding (TensorFlow's "SAME", which pads strided
convolutions at one side only): timm itself is asked for both, and for its outputs.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from ..install import require
from ..space.net import Net
from .build import Network, build

SAME = 1e-3
"""Largest difference of an output, relative to the largest output, that is rounding: it is under 1e-4."""


def is_timm(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights are of timm's EfficientNet or MobileNetV3, which make all of its networks that we know."""
    return "conv_stem.weight" in state


def name_beside(path: Path) -> str | None:
    """The model that the `config.json` beside `path` names, as on the Hugging Face hub; None where it names none."""
    with suppress(OSError, ValueError, AttributeError):
        name = json.loads(path.with_name("config.json").read_text(encoding="utf-8")).get("architecture")
        return name if isinstance(name, str) else None
    return None


def original(net: Net, name: str, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """timm's model `name` with the weights `state`, in eval mode. Raises `InputError` ("weights.timm-name") where it
    has no such model, and ("weights.timm-model") where the weights are of another."""
    timm = require("timm")
    if not timm.is_model(name.split(".")[0]):
        raise InputError(f"timm has no model {name}", code="weights.timm-name", name=name)
    with torch.random.fork_rng(devices=[]):
        module: nn.Module = timm.create_model(name, num_classes=net.classes)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise InputError(f"these are no weights of timm's {name}: {reason}", code="weights.timm-model",
                         name=name) from None  # fmt: skip
    return module.eval()


def build_like(net: Net, theirs: nn.Module, name: str) -> Network:
    """The module of `net` with the epsilon of timm's model. Raises `InputError` ("weights.tf-padding") for padding that
    no network here has."""
    if any(isinstance(part, require("timm.layers").Conv2dSame) for part in theirs.modules()):
        message = f"timm's {name} pads at one side, as TensorFlow, and this network at both: it is another function"
        raise InputError(message, code="weights.tf-padding", name=name)
    epsilons = {part.eps for part in theirs.modules() if isinstance(part, nn.BatchNorm2d)}
    if len(epsilons) != 1:
        message = f"the norms of timm's {name} have the epsilons {sorted(epsilons)}, and this network has one"
        raise InputError(message, code="weights.epsilons", name=name)
    return build(replace(net, eps=epsilons.pop()), seed=0)


@torch.no_grad()
def require_same_outputs(ours: Network, theirs: nn.Module, name: str) -> None:
    """Raise `InputError` ("weights.other-function") unless both, in eval mode, answer alike to random images."""
    size = ours.net.resolution
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    expected, found = theirs(images), ours.eval()(images)
    difference, largest = (expected - found).abs().max().item(), expected.abs().max().item()
    if not difference <= SAME * largest:
        raise InputError(
            f"with the weights of timm's {name} this network is another function: outputs up to {largest:.2g} differ "
            f"by {difference:.2g}",
            code="weights.other-function",
            name=name,
        )
