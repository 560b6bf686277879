"""DSNAS: one path runs, and its gradient is that of the expected loss."""

import torch
from tables import Table, build, mean_gradient, one_step
from toys import make, space

from hwnas.nn.gates import one_hot
from hwnas.nn.supernet import Supernet
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace, Slot
from hwnas.strategies.limit import Limit
from hwnas.strategies.relaxations.dsnas import Dsnas


def test_one_step_is_the_cost_of_the_path_times_the_gradient_of_log_p():
    """In a loss that is linear in the output of each slot, the cost c of every slot is the loss itself."""
    chosen, table = build(Dsnas), Table()
    state = chosen.generator.get_state()
    gates = chosen.gates()
    chosen.generator.set_state(state)
    drawn = torch.nn.functional.one_hot(torch.tensor([gate.indices[0] for gate in gates]), 3)
    want = float(table.loss(gates).detach()) * (drawn - chosen.distribution())
    torch.testing.assert_close(one_step(chosen, table), want.where(chosen.present, 0.0))
    for gate in gates:
        assert (len(gate.indices), gate.weights.tolist(), gate.recompute) == (1, [1.0], False)


def test_the_mean_gradient_is_that_of_the_expected_loss():
    chosen = build(Dsnas)
    torch.testing.assert_close(mean_gradient(chosen, Table()), Table().gradient(chosen.alpha))


def test_the_expected_latency_is_that_of_p():
    chosen = build(Dsnas)
    chosen.gates()
    torch.testing.assert_close(chosen.gate_probs.detach(), chosen.distribution())


def test_the_cost_of_a_path_is_the_product_of_its_output_and_its_gradient(awake):
    """⟨∂L/∂y, y⟩ of what runs; weights learn from the same pass as if the path were alone."""
    slot = Slot(tuple(Block("mbconv", 8, 8, 8, 8, k, expansion=2, residual=True) for k in (3, 5)))
    small = SearchSpace("small", (Block("conv", 3, 8, 8, 8, 3), slot, Block("classifier", 8, 5, 8, 8)))
    supernet, images = awake(Supernet(small, 0)).train(), torch.randn(4, 3, 8, 8)
    chosen = make(Dsnas, Limit.none(small), seed=0, budget=10)
    gates, seen = chosen.gates(), []

    def keep(module, given, output):
        output.retain_grad()
        seen.append(output)

    hook = supernet.parts[1].register_forward_hook(keep)
    supernet(images, gates).square().mean().backward()
    hook.remove()
    cost = float((seen[0].grad * seen[0].detach()).sum())
    drawn = torch.nn.functional.one_hot(torch.tensor(gates[0].indices), 2)
    torch.testing.assert_close(chosen.alpha.grad, cost * (drawn - chosen.distribution()))
    assert abs(cost) > 1e-4
    slopes = {name: p.grad.clone() for name, p in supernet.named_parameters() if p.grad is not None}
    supernet.zero_grad(set_to_none=True)
    supernet(images, one_hot((gates[0].indices[0],))).square().mean().backward()
    alone = {name: p.grad for name, p in supernet.named_parameters() if p.grad is not None}
    assert slopes.keys() == alone.keys()
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, alone[name])


def test_all_are_drawn_by_p():
    chosen, draws = make(Dsnas, Limit.none(space(3)), seed=0, budget=10, init_std=1.0), 2000
    counts = torch.zeros(3)
    for _ in range(draws):
        counts[chosen.gates()[0].indices[0]] += 1
    p = chosen.distribution()[0]
    assert ((counts / draws - p).abs() < 4 * (p / draws).sqrt()).all()
