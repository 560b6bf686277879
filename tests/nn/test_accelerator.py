"""Where a rank computes, bfloat16 and compiled blocks. There is no GPU here: what there is to see of one is made up."""

import pytest
import torch

from hwnas.nn.accelerator import autocast, compile_blocks, pick
from hwnas.nn.supernet import Supernet, one_hot
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.testing import refused

CPU = torch.device("cpu")


@pytest.fixture
def supernets():
    """Two equal supernets of one slot with two MBConvs."""
    convs = (Block("mbconv", 4, 4, 4, 4, k, 1, 2, act="relu6", residual=True) for k in (3, 5))
    parts = (Block("conv", 3, 4, 4, 4, 3, act="relu6"), Slot(tuple(convs)), Block("classifier", 4, 3, 4, 4))
    pair = [Supernet(SearchSpace("small", parts), seed=0).train() for _ in range(2)]
    for value in pair[0].parameters():
        value.data += 0.1
    pair[1].load_state_dict(pair[0].state_dict())
    return pair


@pytest.fixture
def gpus(monkeypatch):
    """A function that makes torch see so many GPUs, and returns the list of those that are chosen."""

    def see(count):
        chosen = []
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
        monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
        return chosen

    return see


def test_without_a_gpu_it_is_the_cpu(gpus):
    assert gpus(0) == []
    assert pick() == CPU


def test_each_rank_of_a_machine_has_a_gpu_of_its_own(gpus, monkeypatch):
    chosen = gpus(2)
    assert pick() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert pick() == torch.device("cuda", 1)
    assert chosen == [torch.device("cuda", 0), torch.device("cuda", 1)]
    monkeypatch.setenv("LOCAL_RANK", "2")
    with refused("ranks.no-gpu", rank=2, gpus=2):
        pick()


def test_bfloat16_is_for_gpus_unless_it_is_asked_for(gpus):
    gpus(1)
    x = torch.randn(8, 8)
    for asked, kind in ((None, torch.float32), (False, torch.float32), (True, torch.bfloat16)):
        with autocast(CPU, asked):
            assert (x @ x).dtype == kind
    assert autocast(torch.device("cuda"))._enabled
    assert not autocast(torch.device("cuda"), False)._enabled


def test_off_it_changes_nothing(supernets):
    images = torch.randn(8, 3, 4, 4)
    with autocast(CPU):
        inside = supernets[0](images, one_hot((1,)))
    assert torch.equal(inside, supernets[0](images, one_hot((1,))))


def test_compiled_blocks_give_the_same_answers_and_gradients(supernets, monkeypatch):
    for limit in ("recompile_limit", "accumulated_recompile_limit"):
        monkeypatch.setattr(torch._dynamo.config, limit, 1)  # fewer than there are candidates, as usual in a space
    compiled = supernets[1]
    compile_blocks(compiled, backend="aot_eager")  # all of it but the kernels, which take minutes to make
    images = torch.randn(8, 3, 4, 4)
    torch._dynamo.utils.counters.clear()
    for arch in ((0,), (1,), (0,)):
        found = []
        for supernet in supernets:
            supernet.zero_grad(set_to_none=True)
            logits = supernet(images, one_hot(arch))
            logits.square().sum().backward()
            found.append([logits, *(p.grad for p in supernet.parameters() if p.grad is not None)])
        torch.testing.assert_close(*found, rtol=1e-4, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 4  # the two of the slot, the stem, the classifier
