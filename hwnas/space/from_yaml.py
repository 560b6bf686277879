"""Search spaces of the common form, written as YAML: a stem, stages of like layers, a head and the classifier.

    schema: 1
    name: tiny
    resolution: 32
    classes: 10
    stem: {channels: 16, stride: 2}
    each: {kernels: [3, 5, 7], expansions: [3, 6], skip: true}
    stages:
      - {channels: 24, layers: 3, stride: 2}
      - {channels: 48, layers: 3, stride: 2}
    head: {channels: 320}

A list of several options is a decision, and `SpaceFile` says who decides. docs/extending.md has every key.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from .. import references
from ..errors import InputError
from ..files import complaint
from .layer import Act
from .space import SearchSpace

SCHEMA = 1
"""Version of the YAML form. A reader refuses any other."""

T = TypeVar("T")
Operation = Literal["conv", "mbconv", "fbconv", "fused"]
Choose = Literal["per-layer", "per-dimension", "per-stage"]


def _several(value: object) -> tuple[object, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise ValueError("an option is given twice")
    return values


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an even kernel has no centre")
    return value


Options = Annotated[tuple[T, ...], BeforeValidator(_several), AfterValidator(_distinct), Field(min_length=1)]
"""One option, or a list of them, which is a decision."""

Size = Annotated[int, Field(ge=1, le=100_000)]
Kernel = Annotated[int, Field(ge=1, le=99), AfterValidator(_odd)]
Ratio = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Layers(_Part):
    """What the layers of a stage are. `each` gives these for every stage that does not say otherwise."""

    operation: Options[Operation] = ("mbconv",)
    kernels: Options[Kernel] = (3,)
    expansions: Options[Annotated[float, Field(ge=1, le=64, strict=False)]] = (1.0,)
    """How many times the channels are widened inside; where that is no whole number, to a multiple of 8."""
    activation: Options[Act] | None = None
    """That of the file unless given."""
    se: Options[Annotated[Ratio, Field(strict=False)]] = (0.0,)
    """Squeezed channels of a squeeze-and-excite as a share of `se_of`; 0: none."""
    se_of: Literal["input", "inside"] = "input"
    """Of the layer's input (MnasNet, EfficientNet), or of its channels inside, to a multiple of 8 (MobileNetV3)."""
    hard: bool = False
    """Whether the squeeze-and-excite is MobileNetV3's, with relu inside and a hard sigmoid."""
    residual: bool = True
    """Whether the input is added to the output where stride and channels allow it."""
    skip: bool = False
    """Whether a layer chosen by itself may be left out, where stride and channels allow it."""
    choose: Choose | None = None
    """That of the file unless given."""


class Stage(Layers):
    """Layers that are alike, but that only the first may change the shape."""

    name: str | None = None
    """What its decisions are called by: "stage 1" and so on, unless given."""
    channels: Options[Size]
    layers: Options[Size] = (1,)
    stride: Size = 1


class Stem(_Part):
    """The first convolution."""

    channels: Size
    kernel: Kernel = 3
    stride: Size = 1
    activation: Act | None = None


class Head(_Part):
    """A 1×1 convolution before the average, and a hidden layer of the classifier; each only where it has channels."""

    channels: Size | None = None
    hidden: Size | None = None
    activation: Act | None = None


class SpaceFile(_Part):
    """A whole space.

    `choose` says who decides between the options of operation, kernels, expansions, activation and se:

    - `per-layer`: each layer, by one choice among all combinations, or to be left out where there is `skip`;
    - `per-dimension`: each layer, by a choice for each list that has several;
    - `per-stage`: each stage, for all its layers, by a choice for each list that has several.

    Several `layers` are a choice of depth, several `channels` one of width, each of a stage. Several `widths`, by which
    all channels are multiplied (to multiples of 8), and several resolutions are one choice each of the whole network.
    """

    name: str = Field(min_length=1)
    source: str = ""
    resolution: Options[Size]
    classes: Annotated[int, Field(ge=2)]
    activation: Act = "relu"
    choose: Choose = "per-layer"
    widths: Options[Annotated[float, Field(gt=0, le=100, strict=False)]] | None = None
    eps: Annotated[float, Field(gt=0, lt=1)] = 1e-5
    stem: Stem
    each: Layers = Layers()
    stages: tuple[Stage, ...] = Field(min_length=1, strict=False)
    head: Head = Head()

    def filled(self) -> Iterator[Stage]:
        """Every stage with what it leaves to `each` and to the file."""
        common = {name: getattr(self.each, name) for name in self.each.model_fields_set}
        for number, stage in enumerate(self.stages, start=1):
            own = {name: getattr(stage, name) for name in stage.model_fields_set}
            found = {"activation": (self.activation,), "choose": self.choose, "name": f"stage {number}"}
            yield stage.model_copy(update={**found, **common, **own})


def read(path: Path, classes: int | None = None) -> SearchSpace:
    """The space of a YAML file, with the file's number of classes or another.

    Raises `InputError` in one line that names the place: "space-file.unreadable", "space-file.schema",
    "space-file.unknown-key", or "space-file.invalid".
    """
    from .common_form import build

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the space {path}: {error.strerror or error}"
        raise InputError(message, code="space-file.unreadable", path=str(path)) from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:  # such as a date that is none
        message = f"{path} is not YAML: {' '.join(str(error).split())}"
        raise InputError(message, code="space-file.unreadable", path=str(path)) from None
    return build(parse(value, path), path, classes)


def parse(value: Any, where: object) -> SpaceFile:
    """What a file says, checked. Raises `InputError` naming `where` and the first place that does not fit."""
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        message = f"{where} is not a search space of schema {SCHEMA}: its first line is 'schema: {SCHEMA}'"
        raise InputError(message, code="space-file.schema", path=str(where))
    try:
        return SpaceFile.model_validate({name: part for name, part in value.items() if name != "schema"})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise _unknown_key(place, first["loc"], where) from None
        message = f"{where}: {place}: {' '.join(complaint(first).split())}"
        raise InputError(message, code="space-file.invalid", path=str(where), place=place) from None


def _unknown_key(place: str, loc: tuple[int | str, ...], where: object) -> InputError:
    models: dict[int | str, type[_Part]] = {"stages": Stage, "each": Layers, "stem": Stem, "head": Head}
    known = sorted((models[loc[0]] if len(loc) > 1 else SpaceFile).model_fields)
    nearest = references.nearest(str(loc[-1]), known)
    meant = f"did you mean {nearest}?" if nearest else f"there are {', '.join(known)}"
    fields = {"path": str(where), "place": place, "nearest": nearest}
    return InputError(f"{where}: {place}: no such key: {meant}", code="space-file.unknown-key", **fields)
