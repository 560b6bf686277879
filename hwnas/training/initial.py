"""Where a training begins: `--init`, which names weights of another program, a file, a run, or a search."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from ..files import sha256
from ..nn import initial
from ..nn.build import Network
from ..space.net import Net
from .origins import Begun, Kind
from .run import RECORD, SEARCH, WEIGHTS, read_module

SUPERNET = "supernet"
"""As a source: the shared weights of the search that found the network."""
TIMM = "timm:"
SHARED_WEIGHTS = "search.state"
"""The file in the folder of a search that has them."""

Child = Callable[[Path, Net], Network]
"""The folder of a search and a network to the child of that architecture with its inherited weights."""


@dataclass(frozen=True)
class Initial:
    """A network of the same architecture whose weights are taken over. `calibrated` says whether its BatchNorms have
    statistics: a child of a supernet has none of its own."""

    source: str
    kind: Kind
    module: Network = field(repr=False)
    sha256: str

    @property
    def calibrated(self) -> bool:
        """Whether its BatchNorms have statistics."""
        return self.kind != "search"

    def fill(self, module: Network) -> Begun:
        """Copy the weights into `module`; raises `InputError` ("initial.other-architecture") for another one."""
        filled = initial.fill(module, self.module)
        return Begun(self.source, self.kind, self.sha256, len(filled.loaded), filled.new)


def find(what: str, net: Net, found_by: Path | None, child: Child) -> Initial:
    """The weights that `what` names, for `net`, which the search in the folder `found_by` found, if any did.

    `what` is "timm:NAME", which timm fetches, "timm:NAME=FILE", a file of weights, the folder of a training run, that
    of a search, whose shared weights `child` reads, or "supernet", the search in `found_by`. Raises `InputError` for
    anything else ("initial.unknown", "initial.no-search"), and where the weights are of another architecture.
    """
    name, file = timm_source(what)
    if name and file is None:
        module = initial.download(net, name)
        return Initial(what, "timm", module, digest(module))
    if file is not None:
        return Initial(f"{TIMM}{name}={file.name}", "timm", initial.read(net, file, name), _file_digest(file))
    path = search_of(found_by) if what == SUPERNET else Path(what)
    if (path / RECORD).is_file():
        module = of_run(path)
        initial.require_same_architecture(net, module.net)
        return Initial(path.name, "run", module, _file_digest(path / WEIGHTS))
    if (path / SEARCH).is_file():
        module = child(path, net)
        return Initial(path.name, "search", module, digest(module))
    if path.is_file():
        return Initial(path.name, "file", initial.read(net, path), _file_digest(path))
    raise unknown(what)


def unknown(what: str) -> InputError:
    """The error of a source that is nothing that there is."""
    message = (
        f"there are no weights {what}: give timm:NAME, a file of weights, the folder of a training run or of a search, "
        "or supernet"
    )
    return InputError(message, code="initial.unknown", source=what)


def timm_source(what: str) -> tuple[str | None, Path | None]:
    """The model and the file of "timm:NAME=FILE"; None for what is not named."""
    if not what.startswith(TIMM):
        return None, None
    name, equals, file = what.removeprefix(TIMM).partition("=")
    return name, Path(file) if equals else None


def search_of(found_by: Path | None) -> Path:
    """The folder of the search that found a network. Raises `InputError` ("initial.no-search") where none did."""
    if found_by is None or not (found_by / SEARCH).is_file() or (found_by / RECORD).is_file():
        message = "supernet means the search that found the network, and none did: train the folder of a search"
        raise InputError(message, code="initial.no-search", path=found_by)
    return found_by


def of_run(path: Path) -> Network:
    """The trained network in the folder `path`. Raises `InputError` as `read_module`."""
    module = read_module(path)
    assert isinstance(module, Network)
    return module


def digest(module: nn.Module) -> str:
    """What tells the weights of `module` from others: SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(name.encode())
        found.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes())
    except OSError as error:
        message = f"cannot read weights {path}: {error.strerror or error}"
        raise InputError(message, code="weights.unreadable", path=path) from None


def fingerprint(what: str) -> str:
    """What tells the weights that `what` names from others, without reading them as a network: SHA-256 of their file,
    or of the name where timm fetches them. Raises `InputError` where there is no such file."""
    model, file = timm_source(what)
    if model and file is None:
        return sha256(what.encode())
    path = file or Path(what.partition("=")[2] or what)
    for name in (WEIGHTS, SHARED_WEIGHTS):
        if (path / name).is_file():
            path = path / name
            break
    try:
        return sha256(path.read_bytes())
    except OSError:
        raise unknown(what) from None
