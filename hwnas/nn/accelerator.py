"""Where a rank computes, and how: a GPU if there is one, with bfloat16 and compiled blocks where they pay."""

import os

import torch

from ..errors import InputError


def pick() -> torch.device:
    """The device of this rank: the GPU of its place among the ranks of this machine, or the CPU where there is none.

    Raises `InputError` for more ranks than GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    place, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if place >= count:
        raise InputError(f"rank {place} of this machine has no GPU, there are {count}: use --nproc-per-node {count}")
    device = torch.device("cuda", place)
    torch.cuda.set_device(device)
    return device


def autocast(device: torch.device, bfloat16: bool | None = None) -> torch.autocast:
    """Convolutions and products in bfloat16 while the body runs; by default on a GPU that computes in it.

    On a CPU it is left off: even one that has the instructions took longer (`benchmarks/accelerator.py`).
    """
    if bfloat16 is None:
        bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)
