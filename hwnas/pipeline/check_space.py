"""A search space tried out: what it decides, and some of its networks, derived and run."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..latency.graph import graph
from ..progress import Progress, show_progress
from ..space import registry
from ..space.net import Net
from ..space.space import Arch, SearchSpace
from .spaces import describe


@dataclass(frozen=True)
class SpaceCheck:
    """What `check_space` found: the space as `describe` has it, its fingerprint, and the networks that were run."""

    description: dict[str, Any]
    fingerprint: str
    networks: tuple[str, ...]
    macs: tuple[int, ...]
    seconds: float


def check_space(
    reference: str, classes: int | None = None, *, networks: int = 20, seed: int = 0, progress: Progress = True
) -> SpaceCheck:
    """Derive `networks` random networks of a space, and run each as ONNX graph with random weights, without torch.

    Raises `InputError` in one line for the first that cannot be derived or run, or a space that is no such.
    """
    if networks < 1:
        raise InputError(f"at least 1 network is needed to check a space, not {networks}", code="space.check")
    start = time.perf_counter()
    space = registry.get(reference, classes, trusted=True)
    archs = random_architectures(space, networks, seed)
    nets = [derive(space, arch) for arch in archs]
    with show_progress("check", len(nets), progress) as report:
        for done, net in enumerate(nets, start=1):
            require_runs(net)
            report(done)
    macs = tuple(net.macs for net in nets)
    names = tuple("-".join(map(str, arch)) for arch in archs)
    return SpaceCheck(describe(reference, classes), space.fingerprint, names, macs, time.perf_counter() - start)


def random_architectures(space: SearchSpace, count: int, seed: int = 0) -> list[Arch]:
    """At most `count` different architectures, drawn uniformly."""
    rng = np.random.default_rng(seed)
    return list(dict.fromkeys(space.sample(rng) for _ in range(2 * count)))[:count]


def derive(space: SearchSpace, arch: Arch) -> Net:
    """The network of `arch`. Raises `InputError` ("space.does-not-fit") where its blocks do not fit together."""
    try:
        return space.derive(arch)
    except ValueError as error:
        name = "-".join(map(str, arch))
        message = f"network {name} of {space.name} cannot be: {error}"
        raise InputError(message, code="space.does-not-fit", space=space.name, arch=name) from error


def require_runs(net: Net) -> None:
    """Raise `InputError` ("space.does-not-run") unless onnxruntime runs the graph of `net`, and gives a finite number
    for each class."""
    import onnxruntime

    images = np.random.default_rng(0).random((1, 3, net.resolution, net.resolution), np.float32)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it says comes with the error
    try:
        session = onnxruntime.InferenceSession(
            graph(net).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        (logits,) = session.run(None, {session.get_inputs()[0].name: images})
    except Exception as error:
        text = " ".join(str(error).split())
        message = f"{net.name} does not run in onnxruntime: {text}"
        raise InputError(message, code="space.does-not-run", network=net.name) from error
    if logits.shape != (1, net.classes) or not np.isfinite(logits).all():
        message = f"{net.name} gives {logits.shape} values, not {net.classes} finite numbers for an image"
        raise InputError(message, code="space.does-not-run", network=net.name)
