"""A bundle: everything that is needed to deploy a network, and the claims that `verify` recomputes.

The folder is written under another name and then renamed, so it is there as a whole or not at all.
"""

import glob
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, PositiveFloat, TypeAdapter

from ..devices.base import DeviceInfo
from ..errors import InputError, VerificationError
from ..files import parse, read_json, require_empty, sha256, versioned, writing
from ..latency.stats import Estimate
from ..space.registry import SpaceIdentity
from ..training.run import NET, WEIGHTS

SCHEMA = 1
MODEL, LABELS, PREPROCESSING, MANIFEST = "model.onnx", "labels.json", "preprocessing.json", "manifest.json"
CLAIMED = (MODEL, NET, WEIGHTS, LABELS, PREPROCESSING)
"""The files whose SHA-256 the manifest holds, which are all but itself."""


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the input of the model. `fitting` says how it comes to `size` pixels a side; `mean` and
    `std` are per channel, of values in `range`."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    size: int
    fitting: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    range: tuple[float, float] = (0, 1)
    channels: Literal["RGB"] = "RGB"
    layout: Literal["NCHW"] = "NCHW"
    dtype: Literal["float32"] = "float32"
    formula: str = "(pixel / 255 - mean) / std"

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form."""
        return {"schema": SCHEMA, **_PREPROCESSING.dump_python(self)}


@dataclass(frozen=True)
class Latency:
    """How fast the model is on `device`, in milliseconds at batch 1.

    `measured` is the latency where the reference network takes `reference_seconds` (see `latency.measure`).
    `latency_ms`, which was asked for, and `predicted_ms` are those of the search, if there was one. The JSON of schema
    1 has other names for two of them.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    device: DeviceInfo
    measured: Estimate
    reference_seconds: Annotated[PositiveFloat, Field(alias="pace")]
    latency_ms: Annotated[float | None, Field(alias="budget_ms")] = None
    predicted_ms: float | None = None


@dataclass(frozen=True)
class Manifest:
    """The claims of a bundle. Accuracies are shares (0 to 1) of the test split of `data`, whose contents have
    `fingerprint`. `seal` is the SHA-256 of the manifest without it. `space` is that of the search, if there was
    one; nothing of the bundle needs it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    date: str
    data: str
    fingerprint: str
    top1: float
    onnx_top1: float
    max_abs_logit_diff: float
    latency: Latency
    versions: dict[str, str]
    files: dict[str, str]
    seal: str = ""
    space: SpaceIdentity | None = None

    def to_json(self) -> dict[str, Any]:
        """The plain-JSON form."""
        value = _MANIFEST.dump_python(self, by_alias=True)
        space = value.pop("space")
        return {"schema": SCHEMA, **({"space": space} if space else {}), **value}

    def text(self) -> str:
        """The file's text, with the right seal."""
        value = self.to_json()
        return json.dumps({**value, "seal": _seal(value)}, indent=1) + "\n"


def _seal(value: dict[str, Any]) -> str:
    """The seal of the JSON of a manifest: as written, not as we would write it today, so that a manifest of an earlier
    version, which knew fewer fields, stays whole."""
    return sha256(json.dumps({**value, "seal": ""}).encode())


_MANIFEST, _PREPROCESSING, _LABELS = TypeAdapter(Manifest), TypeAdapter(Preprocessing), TypeAdapter(tuple[str, ...])


def write_bundle(folder: Path, files: dict[str, bytes], manifest: Manifest) -> Manifest:
    """Write `files` and the `manifest` with their hashes, and return that as it reads from there.

    Raises `InputError` where `folder` holds anything ("folder.not-empty"), and where it cannot be written
    ("file.not-written"): then there is nothing of it.
    """
    require_empty(folder)
    hashes = {name: sha256(data) for name, data in files.items()}
    text = replace(manifest, files=hashes).text()
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in folder.parent.glob(f".{glob.escape(folder.name)}.{'?' * 8}.partial"):
            shutil.rmtree(leftover)  # of a write that was killed; with `*` it might be that of a bundle `<name>.2`
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.", suffix=".partial") as temporary:
            whole = Path(temporary) / folder.name
            whole.mkdir()
            for name, data in {**files, MANIFEST: text.encode()}.items():
                (whole / name).write_bytes(data)
            whole.rename(folder)
    return read_manifest(folder)


def read_preprocessing(folder: Path) -> Preprocessing:
    """The contents of `preprocessing.json` in `folder`. Raises `InputError`."""
    value = versioned(read_json(folder / PREPROCESSING, "preprocessing"), SCHEMA, PREPROCESSING, "preprocessing")
    return parse(_PREPROCESSING, value, PREPROCESSING)


def read_labels(folder: Path) -> tuple[str, ...]:
    """The names of the classes in `labels.json` in `folder`. Raises `InputError`."""
    return parse(_LABELS, read_json(folder / LABELS, "list of labels"), LABELS)


def read_manifest(folder: str | PathLike[str]) -> Manifest:
    """The manifest of the bundle `folder`. Raises `InputError` ("bundle.none") for no bundle, and `VerificationError`
    ("bundle.file-changed") for a changed one."""
    path = Path(folder) / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path.parent} is not a bundle: it has no {MANIFEST}", code="bundle.none", path=path.parent
        ) from None
    except UnicodeDecodeError:
        raise _changed("it is not text") from None
    try:
        value = json.loads(text)
        manifest = parse(_MANIFEST, versioned(value, SCHEMA, MANIFEST, "manifest"), MANIFEST)
    except (json.JSONDecodeError, InputError) as error:
        raise _changed(str(error)) from None
    if manifest.seal != _seal(value):
        raise _changed("its seal is not of this text")
    return manifest


def _changed(reason: str) -> VerificationError:
    return VerificationError(f"{MANIFEST} was changed: {reason}", code="bundle.file-changed", file=MANIFEST)
