"""The latency of networks on the GPU of this machine, in every runtime that it has.

    python benchmarks/gpu.py [--time-limit 30] [--save benchmarks/results/gpu.json]

Measures MobileNetV2 and random networks of the spaces `proxyless` and `fbnet` as a search would. Figures are in ms, by
runtime and network; a runtime that is not at hand has the reason in place of them. With no GPU, says so and exits with
status 2.
"""

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import record

from hwnas import devices
from hwnas.devices.spec import DeviceFile
from hwnas.errors import InputError
from hwnas.latency.measure import measure_nets
from hwnas.space import registry, zoo
from hwnas.space.net import Net

RUNTIMES = {
    "onnxruntime-cuda float32": {"kind": "onnxruntime", "provider": "cuda"},
    **{
        f"{package} {precision}": {"kind": "tensorrt", "package": package, "precision": precision}
        for package in ("tensorrt", "tensorrt-rtx")
        for precision in ("float32", "float16")
    },
    **{
        f"torch-cuda {precision}": {"kind": "torch-cuda", "precision": precision}
        for precision in ("float32", "float16", "bfloat16")
    },
}


def networks(seed: int = 0) -> dict[str, Net]:
    """The networks by name."""
    nets = {"mobilenet_v2": zoo.mobilenet_v2()}
    for name in ("proxyless", "fbnet"):
        space, rng = registry.get(name), np.random.default_rng(seed)
        nets |= {f"{name} {index}": space.derive(space.sample(rng)) for index in range(2)}
    return nets


def measured(runtime: dict[str, str], time_limit: float) -> dict[str, Any]:
    """What one runtime is and how long each network takes in it. Raises `InputError` where it is not at hand."""
    nets = networks()
    with devices.build(DeviceFile.parse({"schema": 1, "name": "gpu", "runtime": runtime}, "benchmark")) as gpu:
        before = asdict(gpu.state())
        estimates = measure_nets(gpu, list(nets.values()), time_limit=time_limit)
        found = {name: asdict(estimate) for name, estimate in zip(nets, estimates, strict=True)}
        return {"device": asdict(gpu.info), "before": before, "after": asdict(gpu.state()), "networks": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--time-limit", type=float, default=30.0, help="seconds of measuring for each runtime")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    if not torch.cuda.is_available():
        print("there is no CUDA GPU here to measure", file=sys.stderr)
        sys.exit(2)
    figures: dict[str, Any] = {}
    details: dict[str, Any] = {}
    for name, runtime in RUNTIMES.items():
        try:
            details[name] = measured(runtime, args.time_limit)
            figures[name] = {net: round(found["ms"], 4) for net, found in details[name]["networks"].items()}
        except InputError as error:
            figures[name] = str(error)
        print(f"{name}: {figures[name]}", file=sys.stderr)
    record(figures, args.save, details)


if __name__ == "__main__":
    main()
