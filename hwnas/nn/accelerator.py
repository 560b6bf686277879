"""Where a rank computes, and how: a GPU if there is one, with bfloat16 and compiled blocks where they pay."""

import os

import torch

from ..errors import RankError
from .choice_block import ChoiceBlock, SharedBlock
from .supernet import Supernet


def pick() -> torch.device:
    """The device of this rank: the GPU of its place among the ranks of this machine, or the CPU where there is none.

    Raises `RankError` for more ranks than GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    rank, count = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if rank >= count:
        message = f"rank {rank} of this machine has no GPU, there are {count}: use --nproc-per-node {count}"
        raise RankError(message, code="ranks.no-gpu", rank=rank, gpus=count)
    device = torch.device("cuda", rank)
    torch.cuda.set_device(device)
    return device


def autocast(device: torch.device, bfloat16: bool | None = None) -> torch.autocast:
    """Convolutions and products in bfloat16 while the body runs; by default on a GPU that computes in it.

    On a CPU it is left off: even one that has the instructions took longer (`benchmarks/accelerator.py`).
    """
    if bfloat16 is None:
        bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=bfloat16)


def compile_blocks(supernet: Supernet, backend: str = "inductor") -> None:
    """Have every candidate of `supernet` run as one compiled graph, made when it first runs.

    Then a GPU gets a few kernels for each block instead of one for every small operation. A block and not the network
    is compiled, because every step runs another network of the same blocks. By default torch makes 8 graphs of one
    function and refuses the next: here the limit is all candidates, each with and without gradients. That limit is
    torch's for the whole process; it is only ever raised.
    """
    choice_blocks = [module for module in supernet.modules() if isinstance(module, ChoiceBlock)]
    config, graphs = torch._dynamo.config, 2 * sum(len(choice_block.candidates) for choice_block in choice_blocks)
    config.recompile_limit = max(config.recompile_limit, graphs)
    config.accumulated_recompile_limit = max(config.accumulated_recompile_limit, graphs)
    for block in supernet.modules():
        if isinstance(block, SharedBlock):
            block.compile(fullgraph=True, dynamic=False, backend=backend)
