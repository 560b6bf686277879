"""Two ranks as two threads of one process: what they send meets in memory instead of in torch.distributed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from hwnas.nn import ranks
from hwnas.nn.ranks import Ranks

SIZE = 2


class Meeting:
    """Stands for `torch.distributed` with `SIZE` ranks, each in a thread of its own."""

    ReduceOp = torch.distributed.ReduceOp

    def __init__(self):
        self.barrier, self.sent, self.here = threading.Barrier(SIZE, timeout=10), [None] * SIZE, threading.local()

    def exchanged(self, value):
        """What every rank sent."""
        self.sent[self.here.rank] = value
        self.barrier.wait()
        found = list(self.sent)
        self.barrier.wait()
        return found

    def all_reduce(self, tensor, op=ReduceOp.SUM):
        values = torch.stack(self.exchanged(tensor.clone()))
        tensor.copy_(values.sum(0) if op == self.ReduceOp.SUM else values.amax(0))

    def all_gather_into_tensor(self, found, tensor):
        found.copy_(torch.cat(self.exchanged(tensor.detach().clone())))

    def all_gather_object(self, values, value):
        values[:] = self.exchanged(value)

    def broadcast_object_list(self, values, src, device):
        values[:] = self.exchanged(list(values))[src]


@pytest.fixture
def on_both(monkeypatch):
    """A function that calls another with each of two `Ranks` at once, and gives what it returned or raised."""
    meeting = Meeting()
    monkeypatch.setattr(ranks, "dist", meeting)

    def call(function):
        def one(rank):
            meeting.here.rank = rank
            try:
                return function(Ranks(rank, SIZE))
            except Exception as error:
                return error

        with ThreadPoolExecutor(SIZE) as pool:
            return list(pool.map(one, range(SIZE)))

    return call
