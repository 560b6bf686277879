"""What there is to know of a search space, and of its latency where there is a table of it."""

from math import log10, prod
from os import PathLike
from typing import Any

from ..errors import InputError
from ..latency.table import load
from ..latency.tables import find_table, space_of
from ..space import registry
from ..space.block import Block
from ..space.space import Choice, SearchSpace, Slot


def describe(name: str, classes: int | None = None, table: str | PathLike[str] | None = None) -> dict[str, Any]:
    """All that a person wants to know of the space `name`; with the name or file of a `table`, its latency there.

    `macs` and `params` are those of the networks with the fewest and with the most, exactly. Raises `InputError` where
    there is no such space or table, or the table is not of this space.
    """
    latency, space = (
        (None, registry.get(name, classes, trusted=True)) if table is None else _latency(name, classes, table)
    )
    return {
        "space": name,
        "source": space.source,
        "classes": space.classes,
        "resolutions": sorted({block.height for block in space.positions[0].candidates}),
        "architectures": prod(space.choices),
        "networks": space.size,
        "networks_log10": round(log10(space.size), 2),
        "blocks": len(space.blocks()),
        "macs": _range(space, "macs"),
        "params": _range(space, "params"),
        "slots": [{"slot": index, **_decision(slot)} for index, slot in enumerate(space.slots)],
        "latency": latency,
    }


def _range(space: SearchSpace, cost: str) -> tuple[int, int]:
    """The sum of `cost` over the blocks of the network with the least, and of that with the most."""
    least, most = space.least(lambda block: getattr(block, cost)), space.least(lambda block: -getattr(block, cost))
    return getattr(space.derive(least), cost), getattr(space.derive(most), cost)


def _decision(slot: Slot | Choice) -> dict[str, Any]:
    """What a slot decides on, and between what."""
    if isinstance(slot, Choice):
        return {"decides": slot.name, "options": slot.options}
    first = slot.candidates[0]
    return {"decides": f"{first.cin} to {first.cout} channels at {first.height} px", "options": _describe_options(slot)}


def _describe_options(slot: Slot) -> tuple[str, ...]:
    """The candidates of `slot` by their kind and what not all of them have, skips aside."""
    fields = [block.key.split("_")[3:] for block in slot.candidates]
    shared = set.intersection(*(set(own) for block, own in zip(slot.candidates, fields, strict=True) if _runs(block)))
    return tuple(
        " ".join([block.op, *(field for field in own if field not in shared)])
        for block, own in zip(slot.candidates, fields, strict=True)
    )


def _runs(block: Block) -> bool:
    return block.op != "skip"


def _latency(name: str, classes: int | None, wanted: str | PathLike[str]) -> tuple[dict[str, Any], SearchSpace]:
    """The latency of the fastest and of the slowest network as `wanted` predicts it, and the space of that table."""
    path = find_table(wanted)
    table = load(path)
    if table.space != name or classes not in (None, table.classes):
        asked = name if classes is None else f"{name} with {classes} classes"
        raise InputError(
            f"{path} is a table of {table.space} with {table.classes} classes, not of {asked}",
            code="table.other-space", table=str(path), space=table.space, classes=table.classes,
        )  # fmt: skip
    space = space_of(table, name)
    found = {
        "table": path,
        "device": table.device.model,
        "predicted_ms": table.predictor(space).range(),
        "quality": str(table.quality),
    }
    return found, space
