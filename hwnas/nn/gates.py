"""What runs at a position of a supernet, and how the outputs of several candidates become one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch.utils.checkpoint import checkpoint

from ..errors import InputError
from ..space.net import Block
from ..space.space import Arch, Choice, Position, SearchSpace

Run = Callable[[torch.Tensor], torch.Tensor]
"""A candidate: features to features."""


@dataclass(frozen=True)
class Gate:
    """Which candidates or options of a slot run; `weights`, shape (len(indices),), where they are several.

    - No `weights`: the one index is the path.
    - `binary` (ProxylessNAS, 1812.00332, eq. 3): the weights are one-hot on the first index, whose output goes on. The
      others change no output; they run only to give their weights a gradient.
    - `weighted` (DARTS, 1806.09055, eq. 2; SNAS, 1812.09926): the output is the sum of all, each times its weight.

    With `recompute`, outputs are computed again in the backward pass, one candidate after the other, so that memory is
    that of one path however many there are (1812.00332, §3.2); a weighted forward pass still runs them all.
    """

    indices: tuple[int, ...]
    weights: torch.Tensor | None = None
    mode: Literal["binary", "weighted"] = "binary"
    recompute: bool = False

    def __post_init__(self) -> None:
        shape = (1,) if self.weights is None else tuple(self.weights.shape)
        if shape != (len(self.indices),):
            given = "no weights" if self.weights is None else f"weights of shape {shape}"
            message = f"a gate of {len(self.indices)} indices has {given}"
            raise InputError(message, code="gates.weights", indices=self.indices, shape=shape)


def one_hot(arch: Arch) -> tuple[Gate, ...]:
    """The gates of a fixed architecture: one path."""
    return tuple(Gate((index,)) for index in arch)


def gate_at(position: Position, gates: Sequence[Gate], space: SearchSpace) -> Gate:
    """The gate over the candidates of `position` that `gates`, one for each slot of `space`, make together.

    Where several slots decide, the paths are all combinations of their indices, weighted by the products of their
    weights; combinations that make the same block are one path, weighted by their sum. Raises `InputError` for an
    index that a slot does not have, gates of different modes, and options of different shapes.
    """
    deciding = [(space.choices[slot], gates[slot]) for slot in position.slots]
    picks = [0]
    for count, gate in deciding:
        if not all(0 <= index < count for index in gate.indices):
            message = f"a gate has indices {gate.indices}, and its slot {count} options"
            raise InputError(message, code="gates.index", indices=gate.indices, options=count)
        picks = [pick * count + index for pick in picks for index in gate.indices]
    weighted = [(gate.weights, (gate.mode, gate.recompute)) for _, gate in deciding if gate.weights is not None]
    if not weighted:
        return Gate(tuple(picks))
    form, *others = {form for _, form in weighted}
    if others:
        message = "gates that decide on one position together have one mode, and recompute or do not"
        raise InputError(message, code="gates.modes")
    weights = weighted[0][0]
    for factors, _ in weighted[1:]:
        weights = (weights[:, None] * factors).flatten()
    rows: dict[Block, list[int]] = {}
    for row, pick in enumerate(picks):
        rows.setdefault(position.candidates[pick], []).append(row)
    if len(set(map(_shape, rows))) > 1:
        names = _shape_changing(position, gates, space)
        message = f"choose one option of {' and of '.join(names)}: its options change the shape"
        raise InputError(message, code="gates.shape", choices=names)
    if len(rows) < len(picks):
        weights = torch.stack([weights[same].sum() for same in rows.values()])
    return Gate(tuple(picks[same[0]] for same in rows.values()), weights, *form)


def _shape(block: Block) -> tuple[int, ...]:
    return block.cin, block.height, block.width, block.cout, *block.out


def _shape_changing(position: Position, gates: Sequence[Gate], space: SearchSpace) -> list[str]:
    """The choices that make the paths at `position` differ in shape."""
    usual = {slot: gates[slot].indices[0] for slot in position.slots}
    names = []
    for slot in position.slots:
        shapes = set()
        for index in gates[slot].indices:
            pick = 0
            for other, option in (usual | {slot: index}).items():
                pick = pick * space.choices[other] + option
            shapes.add(_shape(position.candidates[pick]))
        decision = space.slots[slot]
        if len(shapes) > 1 and isinstance(decision, Choice):
            names.append(decision.name)
    return names


def mixed(runs: Sequence[Run], gate: Gate, x: torch.Tensor) -> torch.Tensor:
    """The output of a position whose candidates are `runs`, one for each weight of `gate`, the active one first."""
    assert gate.weights is not None, "a single path is not mixed"
    if gate.mode == "weighted":
        pairs = zip(runs, gate.weights.unbind(), strict=True)
        if gate.recompute:
            return cast(torch.Tensor, sum(_recomputed(run, weight, x) for run, weight in pairs))
        return cast(torch.Tensor, sum(weight * run(x) for run, weight in pairs))
    active, *others = runs
    output: torch.Tensor
    if gate.recompute:
        output = _RecomputedGate.apply(gate.weights, active(x), x.detach(), others)  # type: ignore[no-untyped-call]
        return output
    with torch.no_grad():
        inactive = [run(x) for run in others]
    output = _BinaryGate.apply(gate.weights, active(x), *inactive)  # type: ignore[no-untyped-call]
    return output


def _recomputed(run: Run, weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The weighted output, of which nothing but `weight` and `x` is kept."""

    def weigh(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return weight * run(x)

    output: torch.Tensor = checkpoint(weigh, x, weight, use_reentrant=False, preserve_rng_state=False)
    return output


class _BinaryGate(torch.autograd.Function):
    """y = Σ g_j o_j for a one-hot g, with ∂L/∂g_j = ⟨∂L/∂y, o_j⟩ (1812.00332, eq. 4).

    Written out because autograd's own product would keep a second copy of the active output and compute a gradient
    for the inactive ones. The active output is the block's, kept by what follows anyway, so memory grows only by the
    inactive outputs.
    """

    @staticmethod
    def forward(ctx: Any, weights: torch.Tensor, active: torch.Tensor, *inactive: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(active, *inactive)
        return active.view_as(active)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inner = torch.stack([(grad * output).sum() for output in ctx.saved_tensors])
        return inner, grad, *(None for _ in ctx.saved_tensors[1:])


class _RecomputedGate(torch.autograd.Function):
    """The same, where the inactive outputs are computed only in the backward pass, one at a time."""

    @staticmethod
    def forward(
        ctx: Any, weights: torch.Tensor, active: torch.Tensor, x: torch.Tensor, others: list[Run]
    ) -> torch.Tensor:
        ctx.save_for_backward(active, x)
        ctx.others = others
        kind = x.device.type  # the backward pass is outside of any autocast that the forward pass is in
        ctx.autocast = torch.autocast(kind, torch.get_autocast_dtype(kind), torch.is_autocast_enabled(kind))
        return active.view_as(active)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        active, x = ctx.saved_tensors
        inner = [(grad * active).sum()]
        with torch.no_grad(), ctx.autocast:
            inner += [(grad * run(x)).sum() for run in ctx.others]
        return torch.stack(inner), grad, None, None
