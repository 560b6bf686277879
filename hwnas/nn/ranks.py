"""The processes of one data-parallel run, called ranks, and all that they tell each other (torch.distributed).

Every rank holds the whole supernet, draws the same architecture and runs equally many rows of the step's batch. The
loss of a step is the mean over the joined batch, so gradients, like losses, are means over the ranks. Code that takes
the mean over the rows that it sees needs not know of ranks: the optimiser averages what it is about to use
(`average_before`), and the gates of an architecture step are `spread`.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from torch.autograd.function import once_differentiable

from ..errors import HwnasError, RankError

T = TypeVar("T")

BUCKET = 32 * 2**20
"""Bytes of gradients that travel at once: few messages, and little memory beside the gradients themselves."""
CPU = torch.device("cpu")
PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others. They write checkpoints and judge finalists for minutes at most."""


@dataclass
class Ranks:
    """The ranks of a run as one of them, `rank` of `size`, sees them; alone by default.

    All ranks must call the methods in the same order. Messages are made up on `device`: a GPU for NCCL, a CPU for gloo.
    `gradient_bytes` counts the gradients that this rank has put in.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
    gradient_bytes: int = 0

    @property
    def main(self) -> bool:
        """Whether this is the rank that prints, writes and measures."""
        return self.rank == 0

    @property
    def rows(self) -> slice:
        """This rank's part of anything that is dealt out to all."""
        return slice(self.rank, None, self.size)

    def average_before(self, optimizer: torch.optim.Optimizer) -> None:
        """Have `optimizer` average the gradients over all ranks before each of its steps."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        optimizer.register_step_pre_hook(lambda *_: self.average(parameters))

    def average(self, parameters: Iterable[torch.Tensor]) -> None:
        """Replace the gradients of `parameters` by their means over all ranks. What has none sends nothing."""
        if self.size == 1:
            return
        for bucket in _buckets([p.grad for p in parameters if p.grad is not None]):
            flat = self.mean(torch.cat([gradient.reshape(-1) for gradient in bucket]))
            self.gradient_bytes += flat.nbytes
            for gradient, mean in zip(bucket, torch.split(flat, [g.numel() for g in bucket]), strict=True):
                gradient.copy_(mean.view_as(gradient))

    def averaged(self, loss: torch.Tensor) -> torch.Tensor:
        """The mean of `loss` over all ranks, with the gradient of this rank's own."""
        if self.size == 1:
            return loss
        mean: torch.Tensor = _Averaged.apply(loss, self)  # type: ignore[no-untyped-call]
        return mean

    def spread(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor`, the same on all ranks, for each to use on its rows: its gradient is the mean over all ranks."""
        if self.size == 1:
            return tensor
        same: torch.Tensor = _Spread.apply(tensor, self)  # type: ignore[no-untyped-call]
        return same

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor`, contiguous, with its mean over all ranks in place of its own numbers."""
        with _name_lost_rank(self.rank):
            dist.all_reduce(tensor)
        return tensor.div_(self.size)

    def stacked(self, tensor: torch.Tensor) -> torch.Tensor:
        """The `tensor` of every rank, all of one shape, in order: (ranks, *shape)."""
        found = tensor.new_empty(self.size * tensor.numel())
        with _name_lost_rank(self.rank):
            dist.all_gather_into_tensor(found, tensor.reshape(-1))
        return found.view(self.size, *tensor.shape)

    def any(self, flag: bool) -> bool:
        """Whether `flag` is true on any rank."""
        return bool(self._largest(flag)[0])

    def agree(self, what: str, value: object) -> None:
        """End all ranks with a `RankError` unless `value` reads the same on all of them. A message of 16 bytes."""
        mark = zlib.crc32(repr(value).encode())
        high, low = self._largest(mark, -mark)
        if high != -low:
            marks = self.gather(mark)
            others = [rank for rank, other in enumerate(marks) if other != marks[0]]
            named = ", ".join(map(str, others))
            message = f"{what} of rank {named} is not that of rank 0: give all ranks the same call and versions"
            self._end(RankError(message, code="ranks.differ", what=what, ranks=others))

    def gather(self, value: T) -> list[T]:
        """The `value` of every rank, in order."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            with _name_lost_rank(self.rank):
                dist.all_gather_object(values, value)
        return values

    def same(self, value: T) -> T:
        """The main rank's `value`."""
        values = [value]
        if self.size > 1:
            with _name_lost_rank(self.rank):
                dist.broadcast_object_list(values, src=0, device=self.device)
        return values[0]

    @contextmanager
    def share_errors(self) -> Iterator[None]:
        """An error of ours that the body raises on any rank ends all of them.

        The main rank raises it, naming the rank where it is not its own; the others raise a `RankError` of code
        "ranks.ended", which a command line need not print again.
        """
        mine: HwnasError | None = None
        try:
            yield
        except HwnasError as error:
            mine = error
        for rank, found in enumerate(self.gather(mine)):
            if found is not None and rank == 0:
                self._end(found)
            if found is not None:
                self._end(type(found)(f"rank {rank}: {found}", code=found.code, **{**found.fields, "rank": rank}))

    def _end(self, error: HwnasError) -> NoReturn:
        """Raise `error` on the main rank, and on the others that it did."""
        if self.main:
            raise error
        raise RankError(str(error), code="ranks.ended", because=error.code)

    def _largest(self, *values: int) -> list[int]:
        """The largest of each of `values` over all ranks."""
        if self.size == 1:
            return list(values)
        largest = torch.tensor(values, dtype=torch.int64, device=self.device)
        with _name_lost_rank(self.rank):
            dist.all_reduce(largest, dist.ReduceOp.MAX)
        return largest.tolist()


class _Averaged(torch.autograd.Function):
    """Forward the mean over all ranks, backward the identity."""

    @staticmethod
    def forward(ctx: Any, loss: torch.Tensor, ranks: Ranks) -> torch.Tensor:
        return ranks.mean(loss.clone())

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        return grad, None


class _Spread(torch.autograd.Function):
    """Forward the identity, backward the mean over all ranks."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, ranks: Ranks) -> torch.Tensor:
        ctx.ranks = ranks
        return tensor.view_as(tensor)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.ranks.gradient_bytes += grad.nbytes
        return ctx.ranks.mean(grad.clone(memory_format=torch.contiguous_format)), None


def _buckets(gradients: list[torch.Tensor]) -> Iterator[list[torch.Tensor]]:
    """`gradients` in order, in lists of up to `BUCKET` bytes, or of a single larger one."""
    bucket: list[torch.Tensor] = []
    size = 0
    for gradient in gradients:
        if bucket and size + gradient.nbytes > BUCKET:
            yield bucket
            bucket, size = [], 0
        bucket.append(gradient)
        size += gradient.nbytes
    if bucket:
        yield bucket


@contextmanager
def _name_lost_rank(rank: int) -> Iterator[None]:
    """Raise `RankError` where a message in the body could not be passed."""
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        message = f"rank {rank} lost touch with the others ({reason}): the same call goes on from the last checkpoint"
        raise RankError(message, code="ranks.lost", rank=rank) from None


@contextmanager
def process_group(device: torch.device) -> Iterator[Ranks]:
    """The ranks that torchrun started this process among, joined while the body runs; alone where it did not.

    `device` is where this rank computes. Raises `RankError` where the other ranks cannot be joined.
    """
    size = int(os.environ.get("WORLD_SIZE", 1))
    if size == 1:
        yield Ranks(device=device)
        return
    on_gpu = device.type == "cuda"
    try:
        dist.init_process_group("nccl" if on_gpu else "gloo", timeout=PATIENCE, device_id=device if on_gpu else None)
    except (RuntimeError, ValueError) as error:
        message = f"cannot join the {size} ranks ({error}): start them with torchrun"
        raise RankError(message, code="ranks.no-group", size=size) from None
    try:
        yield Ranks(dist.get_rank(), size, device)
    finally:
        dist.destroy_process_group()
