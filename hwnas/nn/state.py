"""Checkpoints as safetensors: nested dicts and lists of tensors and plain JSON values. Nothing is ever unpickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..errors import InputError
from ..files import replacing


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write `tensors`, contiguous ones that share no memory, to `path` as safetensors, atomically and without a copy.

    The file has the mode that the umask leaves, not that of safetensors, which nobody else may read. Raises
    `InputError` ("file.not-written") where it cannot be written.
    """
    with replacing(path) as temporary:
        mode = temporary.stat().st_mode
        try:
            save_file(dict(tensors), temporary, metadata)
        except SafetensorError as error:  # on a full disk
            raise OSError(str(error)) from None
        temporary.chmod(mode)


def save_state(path: Path, state: Any) -> None:
    """Write `state`, a tree of dicts (with str or int keys), lists, tensors and JSON scalars, atomically.

    Only tensors that share memory with others are copied, as a file of safetensors cannot say so: the state of a
    supernet may be half of what this process takes.
    """
    tensors: dict[str, torch.Tensor] = {}
    owners: set[int] = set()

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            own = value.detach().cpu().contiguous()
            memory = own.untyped_storage()
            if memory.data_ptr() in owners or memory.nbytes() != own.nbytes:
                own = own.clone()
            owners.add(own.untyped_storage().data_ptr())
            tensors[str(len(tensors))] = own
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):
            return {"items": [[key, plain(part)] for key, part in value.items()]}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return value

    tree = json.dumps(plain(state))
    write_tensors(path, tensors, {"tree": tree})


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote; tuples come back as lists. Raises `InputError` for any other file."""

    def rebuilt(value: Any) -> Any:
        if isinstance(value, list):
            return [rebuilt(part) for part in value]
        if isinstance(value, dict) and "tensor" in value:
            return tensors[value["tensor"]]
        if isinstance(value, dict):
            return {key: rebuilt(part) for key, part in value["items"]}
        return value

    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return rebuilt(json.loads(file.metadata()["tree"]))
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        message = f"{path} is not a whole checkpoint ({error}): remove it to start again"
        raise InputError(message, code="state.damaged", path=path) from None
