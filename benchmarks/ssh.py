"""Whether a device gives the same numbers by ssh as it gives directly: this machine, by a real sshd on 127.0.0.1.

    python benchmarks/ssh.py [--rounds 40] [--save benchmarks/results/ssh.json]

Both are up at once and take turns, model by model, in random order. The figures are the ratios of the medians, by ssh
to direct: over all models the median and the one that is farthest from 1, and the quartiles over rounds.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from record import record

from hwnas import devices
from hwnas.devices import spec
from hwnas.devices.base import Device
from hwnas.latency.graph import save
from hwnas.progress import show_progress
from hwnas.space import registry
from hwnas.space.zoo import mobilenet_v2

sys.path.append(str(Path(__file__).parents[1] / "tests" / "devices"))
from real_sshd import Sshd  # the server that the tests use

RUNS = 12


def by_ssh(server: Sshd) -> Device:
    """This machine as a device file would describe it."""
    value = {"schema": 1, "name": "by-ssh", "transport": server.transport()}
    return devices.build(spec.DeviceFile.parse(value, "benchmark"))


def models(folder: Path) -> dict[str, Path]:
    """Networks of all sizes, as ONNX files."""
    rng, small, large = np.random.default_rng(0), registry.get("proxyless-32"), registry.get("proxyless")
    nets = {"small": small.derive(small.sample(rng)), "another small": small.derive(small.sample(rng))}
    nets |= {"large": large.derive(large.sample(rng)), "mobilenet_v2": mobilenet_v2()}
    return {name: save(net, folder / f"{name}.onnx") for name, net in nets.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder, Sshd(Path(folder)) as server:
        files = models(Path(folder))
        times = {name: ([], []) for name in files}
        with devices.get("cpu") as direct, by_ssh(server) as remote, show_progress("ssh", args.rounds) as report:
            for device in (direct, remote):
                for name, path in files.items():
                    device.load(name, path)
            for done in range(args.rounds):
                for name in rng.permutation(list(files)).tolist():
                    for side in rng.permutation(2).tolist():
                        (seconds,) = (direct, remote)[side].time([(name, RUNS)])
                        times[name][side].append(np.median(seconds[2:]))
                report(done + 1, "")
    ratios = {name: float(np.median(there) / np.median(here)) for name, (here, there) in times.items()}
    rounds = np.concatenate([np.divide(there, here) for here, there in times.values()])
    figures = {
        "median_ratio": float(np.median(list(ratios.values()))),
        "farthest_ratio": max(ratios.values(), key=lambda ratio: abs(np.log(ratio))),
        "quartiles": np.quantile(rounds, (0.25, 0.75)).tolist(),
    }
    record(figures, args.save, ratios)


if __name__ == "__main__":
    main()
