"""The command that computes again what a bundle claims."""

from pathlib import Path
from typing import Annotated

import typer

from ..output import lines, show
from .app import AsJson, DataAgain, Root, app


@app.command(epilog="Example: hwnas verify export/fashion-mnist-small")
def verify(
    bundle: Annotated[Path, typer.Argument(help="The folder of a bundle.")],
    data: DataAgain = None,
    root: Root = None,
    latency: Annotated[bool, typer.Option(help="Also measure on the device.")] = True,
    as_json: AsJson = False,
) -> None:
    """Compute again everything that a bundle claims; exit 1 naming the first thing that does not hold."""
    from ..pipeline.verify import verify as stage

    found = stage(bundle, data=data, root=root, latency=latency)
    text = (
        f"{bundle} holds: {len(found.files)} files, top-1 {found.onnx_top1:.2%} in torch and onnxruntime, "
        f"logits within {found.max_abs_logit_diff:.1e}, "
        + (found.latency.both_clocks() if found.latency else "latency not checked (--no-latency)")
    )
    ignored = [f"ignored {', '.join(found.ignored)}: no part of the bundle, left by a desktop"] if found.ignored else []
    show(found.to_json(), as_json, "\n".join([text, *lines("note", (*found.notes, *ignored))]))
