"""Checkpoints as safetensors: nested dicts and lists of tensors and plain JSON values. Nothing is ever unpickled."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from ..errors import InputError
from ..files import write_bytes


def save_state(path: Path, state: Any) -> None:
    """Write `state`, a tree of dicts (with str or int keys), lists, tensors and JSON scalars, atomically."""
    tensors: dict[str, torch.Tensor] = {}

    def plain(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            tensors[str(len(tensors))] = value.detach().contiguous().clone()
            return {"tensor": str(len(tensors) - 1)}
        if isinstance(value, dict):
            return {"items": [[key, plain(part)] for key, part in value.items()]}
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        return value

    tree = json.dumps(plain(state))
    write_bytes(path, save(tensors, {"tree": tree}))  # `save_file` makes files that nobody else may read


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
