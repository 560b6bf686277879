"""The devices that can be measured: listed, and tried out."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from ..output import facts, lines, listing, show
from .app import AsJson, called_alone, group

if TYPE_CHECKING:
    from ..devices.spec import DeviceFile

commands = group("devices", "List the devices that can be measured, or try one out.")


@commands.callback(epilog="Example: hwnas devices --json")
def devices(context: typer.Context, as_json: AsJson = False) -> None:
    """List the devices that can be measured: the built-in ones, and those of the files in devices/."""
    if called_alone(context, **{"--json": as_json}):
        from .. import devices as room

        listing([{"name": name, **_described(device)} for name, device in room.list_devices().items()], as_json)


@commands.command(epilog="Example: hwnas devices check cpu")
def check(
    device: Annotated[str, typer.Argument(help="One of `hwnas devices`, or a device's YAML file.")],
    as_json: AsJson = False,
) -> None:
    """Bring a device up, run a tiny model on it, and print what it says of itself."""
    from .. import devices as room

    found = room.check(device)
    text = [
        f"{found['info']['device']} works: a tiny model takes {found['seconds'] * 1e3:.4f} ms",
        facts(found["info"]),
        *lines("cores", [found["cores"]] if found["cores"] else []),
        facts(found["state"]),
    ]
    show(found, as_json, "\n".join(text))


def _described(device: "DeviceFile | InputError") -> dict[str, Any]:
    """What a device's file says, or what is wrong with it. None is started: one that is away must not hide others."""
    if isinstance(device, InputError):
        return {"error": str(device)}
    transport, runtime = device.kinds
    said = {**device.transport.model_dump(exclude_unset=True), **device.runtime.model_dump(exclude_unset=True)}
    return {
        "transport": transport,
        "runtime": runtime,
        "threads": getattr(device.runtime, "threads", None),
        "precision": device.runtime.precision,
        "settings": ", ".join(
            f"{name} {value}" for name, value in said.items() if name not in ("threads", "precision")
        ),
    }
