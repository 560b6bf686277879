"""Weights that were trained elsewhere: published files of them, and how they come into a module of ours."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from ..errors import InputError
from ..space.net import Net
from . import timm_weights
from .build import Network, build

Group = dict[str, torch.Tensor]

_SORTED = "the weights are sorted by name: only in the order of the layers can they be told apart"


WHERE = ("state_dict_ema", "model_ema", "state_dict", "model")
"""Where in a checkpoint the weights are, averaged ones first, as timm reads its own."""

PARALLEL = "module."
"""Before every name where the network was in torch's DataParallel or DistributedDataParallel as it was saved."""


def read(path: str | Path) -> dict[str, torch.Tensor]:
    """The state dict in a file of safetensors or of `torch.save`, or under a name of `WHERE` in that, as ProxylessNAS
    (1812.00332) and Once-for-All (1908.09791) publish theirs. Nothing but tensors is unpickled. Raises `InputError` for
    another file, or a damaged one."""
    return read_named(Path(path))[0]


def read_named(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """As `read`, and the model of timm that the file, or a `config.json` beside it, names, if any."""
    state, named = _read(path)
    return state, named or timm_weights.name_beside(path)


def _read(path: Path) -> tuple[dict[str, torch.Tensor], str | None]:
    """The state dict in `path`, and the model of timm that the file itself names, if any."""
    if _is_safetensors(path):
        return _read_safetensors(path), None
    try:
        value = torch.load(path, map_location="cpu", weights_only=True)
        whole = _whole(path)
    except OSError as error:
        message = f"cannot read weights {path}: {error.strerror or error}"
        raise InputError(message, code="weights.unreadable", path=path) from None
    except Exception:  # a damaged pickle raises anything; and torch advises to unpickle all, which may run any code
        reason = "it is damaged, or holds other things, which are not unpickled as they may run any code"
        message = f"{path} is no file of weights alone, as torch saves them: {reason}"
        raise InputError(message, code="weights.pickle", path=path) from None
    if not whole:
        message = f"{path} is damaged: its checksums are of other weights"
        raise InputError(message, code="weights.damaged", path=path)
    state = None
    if isinstance(value, dict):
        state = next((value[name] for name in WHERE if name in value), value)
    if not isinstance(state, dict) or not state or not all(map(_is_weight, state, state.values())):
        message = f"{path} holds no state dict, that is names of weights and tensors"
        raise InputError(message, code="weights.no-state-dict", path=path)
    if all(name.startswith(PARALLEL) for name in state):
        state = {name.removeprefix(PARALLEL): weight for name, weight in state.items()}
    arch = value.get("arch")
    return state, arch if isinstance(arch, str) else None


def _is_safetensors(path: Path) -> bool:
    """Whether the file begins as safetensors do: eight bytes of a length, and JSON."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:
        return False
    return path.suffix == ".safetensors" or start[8:] == b"{"


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is no whole file of safetensors: {error}", code="weights.damaged",
                         path=path) from None  # fmt: skip


def _whole(path: str | Path) -> bool:
    """Whether the checksums in the file are right, which torch does not look at. Its old form, no archive, has none."""
    if not zipfile.is_zipfile(path):
        return True
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None


def _is_weight(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, torch.Tensor)


def load(net: Net, path: str | Path, timm: str | None = None) -> Network:
    """The module of `net` with the weights in the file `path`, in eval mode.

    `timm` is the name of the model where the weights are timm's: they are of a function that only this tells, unless
    the file or a `config.json` beside it does. Its epsilon is that of the module's `net` then, and both must answer
    alike. Raises `InputError` where the weights are of another network, or of the same with another function.
    """
    path = Path(path)
    state, named = read_named(path)
    try:
        if timm or timm_weights.is_timm(state):
            return _load_timm(net, state, timm or named)
        module = build(net, seed=0)
        if is_own(state):
            _require_own(module.state_dict(), state)
            state = {name: state[name] for name in module.state_dict()}  # in whatever order
        elif _is_safetensors(path):
            raise InputError(_SORTED, code="weights.sorted")
        adopt(module, state)
    except InputError as error:
        raise InputError(f"{path}: {error}", code=error.code, **{**error.fields, "path": path}) from None
    return module.eval()


def is_own(state: Mapping[str, torch.Tensor]) -> bool:
    """Whether the weights have the names of a `Network`: the number of a block, and the name of a layer."""
    return all(name.split(".")[0].isdecimal() for name in state) and any("_norm.running_mean" in name for name in state)


def _require_own(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> None:
    """Raise `InputError` naming the first weight, in the order of the layers, that `theirs` lack or have in another
    shape; or else one that only they have."""
    for name, tensor in ours.items():
        shapes = [tuple(tensor.shape), tuple(theirs[name].shape) if name in theirs else "missing"]
        if shapes[0] != shapes[1]:
            code = "weights.unmatched" if name not in theirs else "weights.shape"
            raise InputError(f"{name} is {shapes[1]} there, and {shapes[0]} here", code=code, name=name)
    more = next((name for name in theirs if name not in ours), None)
    if more is not None:
        raise InputError(f"{more} has no like in this network", code="weights.unmatched", name=more)


def _load_timm(net: Net, state: Mapping[str, torch.Tensor], name: str | None) -> Network:
    if name is None:
        message = (
            "these are weights of timm, and which epsilon and padding they are for is in the name of the model alone: "
            "say it, as in timm='mobilenetv3_large_100'"
        )
        raise InputError(message, code="weights.timm-unnamed")
    return adopt_timm(net, timm_weights.original(name, state, net.classes), name)


def adopt_timm(net: Net, theirs: nn.Module, name: str) -> Network:
    """The module of `net` with the weights and the epsilon of timm's model `theirs`, in eval mode. Raises `InputError`
    where that is another network, or the same with another function."""
    module = timm_weights.build_like(net, theirs, name)
    adopt(module, theirs.state_dict())  # in the order of the layers, which safetensors do not keep
    timm_weights.require_same_outputs(module.eval(), theirs, name)
    return module


def adopt(module: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Copy the weights of another program's module of the same network into `module`.

    Names do not count: convolutions and linear layers are matched in their order, and so are norms, which some put
    before the convolution that they follow. A linear layer may be a convolution of one pixel there, and may have no
    bias. Raises `InputError` naming the first that does not fit, and then leaves `module` as it was.
    """
    names = [name for name in state if not name.endswith("num_batches_tracked")]
    if names == sorted(names):
        raise InputError(_SORTED, code="weights.sorted")
    copies: list[tuple[torch.Tensor, torch.Tensor]] = []
    for ours, theirs in zip(_groups(module.state_dict()), _groups(state), strict=True):
        for ours_name, theirs_name in zip(ours, theirs, strict=False):
            copies += _pairs(ours[ours_name], theirs[theirs_name], ours_name, theirs_name)
        if len(ours) != len(theirs):
            longer, other = (ours, "them") if len(ours) > len(theirs) else (theirs, "this network")
            name = list(longer)[min(len(ours), len(theirs))]
            raise InputError(f"{name} has no like in {other}", code="weights.unmatched", name=name)
    with torch.no_grad():
        for target, source in copies:
            target.copy_(source.reshape(target.shape))


def _groups(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, Group], dict[str, Group]]:
    """The weights of each layer under its name, in order: of convolutions and linear layers, and of norms."""
    layers: dict[str, Group] = {}
    for name, tensor in state.items():
        layer, _, weight = name.rpartition(".")
        if weight != "num_batches_tracked":
            layers.setdefault(layer, {})[weight] = tensor
    norms = {name: group for name, group in layers.items() if "running_mean" in group}
    return {name: group for name, group in layers.items() if name not in norms}, norms


def _pairs(ours: Group, theirs: Group, name: str, other: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What of `theirs` goes where in `ours`. Raises `InputError` where a shape differs, one has more, or theirs are no
    plain numbers, such as quantized ones."""
    if ours["weight"].ndim == 2 and "bias" not in theirs:
        theirs = {**theirs, "bias": torch.zeros_like(ours["bias"])}
    for weight in sorted(ours.keys() | theirs.keys()):
        shapes = [_shape(group[weight]) if weight in group else "missing" for group in (ours, theirs)]
        if shapes[0] != shapes[1]:
            message = f"{other}.{weight} is {shapes[1]}, where {name}.{weight} is {shapes[0]}"
            raise InputError(message, code="weights.shape", name=f"{other}.{weight}")
        tensor = theirs[weight]
        if not tensor.is_floating_point() or tensor.layout != torch.strided or tensor.is_meta:
            message = f"{other}.{weight} is {tensor.dtype}, {tensor.layout}: give plain floating-point weights"
            raise InputError(message, code="weights.type", name=f"{other}.{weight}")
    return [(ours[weight], theirs[weight]) for weight in ours]


def _shape(tensor: torch.Tensor) -> tuple[int, ...]:
    """The shape, without the kernel of a convolution of one pixel: (cout, cin, 1, 1) is (cout, cin)."""
    shape = tuple(tensor.shape)
    return shape[:2] if shape[2:] == (1, 1) else shape
