"""Search spaces by reference: built in, an entry point, `package.module:attribute`, `file.py:attribute` or `file.yaml`.

A space that is not built in is called by its reference: that is what tables and runs store, with the fingerprint.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from .. import references
from ..errors import InputError
from . import from_yaml
from .blockwise import efficientnet_b0, mnasnet
from .layerwise import fbnet, fbnet_imagenet, nas_bench_macro, nas_bench_macro_16, proxyless, proxyless_32, spos
from .net import MOST_CLASSES
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


def names() -> tuple[str, ...]:
    """The names of the built-in spaces, then of those that installed packages declare."""
    return references.names("spaces", SPACES)


def get(reference: str, classes: int | None = None, *, trusted: bool = False) -> SearchSpace:
    """The space that `reference` stands for, with its own number of classes or another.

    What it stands for is a `SearchSpace`, or a function that makes one, and another with the number of classes given.
    `trusted` only where the caller gave the reference: where a file names it, only a built-in space, an entry point, or
    what the caller repeated (`references.allow`) is resolved. Raises `InputError`: "reference.*" where it stands for no
    space, "space-file.*" for a wrong YAML file, "space.classes" for a number of classes that cannot be.
    """
    if classes is not None and not 2 <= classes <= MOST_CLASSES:
        bound = "at least 2" if classes < 2 else f"at most {MOST_CLASSES:,}"
        message = f"a classifier needs {bound} classes, not {classes}"
        raise InputError(message, code="space.classes", space=reference, classes=classes)
    if Path(reference).suffix.lower() in (".yaml", ".yml"):
        if not trusted:
            references.require_allowed("spaces", reference)
        return replace(from_yaml.read(Path(reference), classes), name=reference)
    found = references.resolve("spaces", reference, SPACES, trusted=trusted, accepts=_is_space_or_function)
    space = _with_classes(reference, found.value, classes)
    return space if found.kind == "built-in" else replace(space, name=reference)


@dataclass(frozen=True)
class SpaceIdentity:
    """A space as a run and a bundle store it: its reference, its number of classes, and its fingerprint."""

    reference: str
    classes: int
    fingerprint: str

    def resolve(self) -> SearchSpace:
        """The space itself. Raises `InputError`: "reference.*" where the reference cannot be resolved, "space.other"
        where it stands for another space than it did."""
        space = get(self.reference, self.classes)
        if space.fingerprint != self.fingerprint:
            message = f"{self.reference} is another space than it was: {space.fingerprint}, not {self.fingerprint}"
            fields = {"reference": self.reference, "fingerprint": self.fingerprint, "found": space.fingerprint}
            raise InputError(message, code="space.other", **fields)
        return space


def _is_space_or_function(value: object) -> bool:
    return isinstance(value, SearchSpace) or callable(value)


def _with_classes(reference: str, value: object, classes: int | None) -> SearchSpace:
    """The space that `value` is or makes. Raises `InputError` where it makes none, or not of so many classes."""
    if callable(value):
        with references.reported("spaces", reference):
            value = value() if classes is None else value(classes)
    if not isinstance(value, SearchSpace):
        message = f"{reference} makes no SearchSpace but a {type(value).__name__}"
        fields = {"group": "spaces", "reference": reference, "found": type(value).__name__}
        raise InputError(message, code="reference.wrong-kind", **fields)
    if classes not in (None, value.classes):
        message = f"{reference} has {value.classes} classes, not {classes}: make it a function of the number of classes"
        raise InputError(message, code="space.classes", space=reference, classes=classes)
    return value
