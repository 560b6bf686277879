"""Weights of timm's models, whose files do not say what function they are of: that is in the name of the model.

BatchNorm's epsilon differs (1e-5, or TensorFlow's 1e-3), and so does padding (TensorFlow's "SAME", which pads strided
convolutions at one side only): timm itself is asked for both, and for its outputs.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


@dataclass(frozen=True)
class ImageSettings:
    """What images a model was trained on: `mean` and `std` a channel, of values in 0 to 1, and pixels a side."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resolution: int


def name_beside(path: Path) -> str | None:
    """The model that the `config.json` beside `path` names, as on the Hugging Face hub; None where it names none."""
    name = _config_beside(path).get("architecture")
    return name if isinstance(name, str) else None


def settings_beside(path: Path) -> ImageSettings | None:
    """What the `config.json` beside `path` says of images; None where it says nothing."""
    with suppress(AttributeError, KeyError, LookupError, TypeError, ValueError):
        return _image_settings(_config_beside(path)["pretrained_cfg"])
    return None


def image_settings(module: nn.Module) -> ImageSettings:
    """What images a model of timm is for, as timm says it."""
    return _image_settings(module.pretrained_cfg)


def _image_settings(config: Any) -> ImageSettings:
    mean, std = (tuple(float(value) for value in config[name]) for name in ("mean", "std"))
    return ImageSettings(mean, std, int(config["input_size"][-1]))


def _config_beside(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(path.with_name("config.json").read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    return {}


def original(name: str, state: Mapping[str, torch.Tensor], classes: int) -> nn.Module:
    """timm's model `name` with the weights `state`, in eval mode. Raises `InputError` ("weights.timm-name") where it
    has no such model, and ("weights.timm-model") where the weights are of another."""
    module = _create(name, num_classes=classes)
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split()[:40])
        raise InputError(f"these are no weights of timm's {name}: {reason}", code="weights.timm-model",
                         name=name) from None  # fmt: skip
    return module.eval()


def download(name: str) -> nn.Module:
    """timm's model `name` with the weights that timm fetches for it, or has fetched before, in eval mode. Raises
    `InputError` ("weights.timm-name") where it has no such model, and ("weights.timm-download")."""
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)  # it tells of every retry, for nearly a minute
    try:
        return _create(name, pretrained=True).eval()
    except InputError:
        raise
    except Exception as error:  # each of the libraries below timm has its own
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__).partition(". ")[0]
        message = f"timm cannot fetch weights of {name} ({reason}): give a file of them, as timm:{name}=FILE"
        raise InputError(message, code="weights.timm-download", name=name) from None
    finally:
        log.setLevel(level)


def classes_in(name: str, state: Mapping[str, torch.Tensor]) -> int:
    """The number of classes of weights of timm's model `name`. Raises `InputError` as `original`."""
    with torch.device("meta"):
        config: Any = _create(name).pretrained_cfg
    classifier = config["classifier"]
    last = classifier if isinstance(classifier, str) else classifier[0]
    if f"{last}.weight" not in state:
        message = f"these are no weights of timm's {name}: they have no {last}.weight"
        raise InputError(message, code="weights.timm-model", name=name)
    return len(state[f"{last}.weight"])


def _create(name: str, **options: Any) -> nn.Module:
    timm = require("timm")
    if not timm.is_model(name.split(".")[0]):
        raise InputError(f"timm has no model {name}", code="weights.timm-name", name=name)
    with torch.random.fork_rng(devices=[]):
        module: nn.Module = timm.create_model(name, **options)
    return module


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
