"""The named search spaces: each is a builder that takes the number of classes, among others."""

from collections.abc import Callable

from ..errors import InputError
from .blockwise import efficientnet_b0, mnasnet
from .layerwise import fbnet, fbnet_imagenet, nas_bench_macro, nas_bench_macro_16, proxyless, proxyless_32, spos
from .once_for_all import mobilenetv3, mobilenetv3_32
from .space import SearchSpace

SPACES: dict[str, Callable[..., SearchSpace]] = {
    "proxyless": proxyless,
    "proxyless-32": proxyless_32,
    "fbnet": fbnet,
    "fbnet-imagenet": fbnet_imagenet,
    "nas-bench-macro": nas_bench_macro,
    "nas-bench-macro-16": nas_bench_macro_16,
    "spos": spos,
    "mnasnet": mnasnet,
    "efficientnet-b0": efficientnet_b0,
    "mobilenetv3": mobilenetv3,
    "mobilenetv3-32": mobilenetv3_32,
}
"""Every built-in space by name; each takes the number of classes."""


def get(name: str, classes: int | None = None) -> SearchSpace:
    """The built-in space `name`, with its own number of classes or another. Raises `InputError` for no such space."""
    if name not in SPACES:
        raise InputError(f"no search space {name!r}: there are {', '.join(SPACES)}")
    if classes is not None and classes < 2:
        raise InputError(f"a classifier needs at least 2 classes, not {classes}")
    return SPACES[name]() if classes is None else SPACES[name](classes)
