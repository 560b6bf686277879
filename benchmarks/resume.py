"""Whether a training that is killed at random moments ends with the weights of an undisturbed one.

    python benchmarks/resume.py [--kills 10] [--save benchmarks/results/resume.json]

`hwnas train` streams a folder of JPEGs that is made here, with every augmentation that a recipe has, mixup and cutmix.
Twice: as one process, and as two ranks of torchrun, which are killed together.
A run is killed by SIGKILL again and again, each time so many seconds after it began to train as were drawn, and then
goes on by the same call; where it ends before it was killed often enough, another begins. Figures are for each: the
kills, at how many different updates the last checkpoint was then, how many runs that took, and the largest difference
of any weight or statistic from the undisturbed run, 0 where all bits are equal. Two ranks differ from one process, and
that from itself with another number of threads, as sums are rounded in another order, which training makes more of.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from record import record
from safetensors.torch import load_file

from hwnas.files import write_json
from hwnas.nn.state import load_state
from hwnas.space.net import Block, Net

CLASSES, SIZE = 3, 48
NET = Net(
    (
        Block("conv", 3, 16, SIZE, SIZE, 3, 2, act="relu6"),
        Block("mbconv", 16, 24, 24, 24, 3, 2, expansion=3, act="relu6", se=4),
        Block("mbconv", 24, 24, 12, 12, 5, expansion=3, act="relu6", residual=True),
        Block("classifier", 24, CLASSES, 12, 12),
    ),
    "resume",
)
SETTINGS = {
    "crop": "0.3,1",
    "mirror": "true",
    "policy": "rand-m9-mstd0.5",
    "jitter": 0.3,
    "erasing": 0.25,
    "mixup": 0.2,
    "cutmix": 1,
    "dropout": 0.1,
    "drop_path": 0.1,
    "batch_size": 16,
    "accumulation": 2,
    "reading.stream": "true",
    "checkpoint_seconds": 0.2,
}
WAIT = 300.0
"""Seconds after which a run that has not begun to train is a fault."""


def make_images(folder: Path, count: int) -> None:
    """Write `count` noisy JPEGs of each class, of sizes around 56 px."""
    rng = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir(parents=True)
        for index in range(count):
            pixels = rng.normal(80 + 40 * label, 60, (*rng.integers(50, 64, 2), 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"class{label}" / f"{index}.jpg")


class Training:
    """The same call of `hwnas train`, for one process or several `ranks`, in a folder of images and a network."""

    def __init__(self, folder: Path, ranks: int, epochs: int, threads: int = 1) -> None:
        self.folder, self.ranks = folder, ranks
        settings = [f"--set={name}={value}" for name, value in {"epochs": epochs, **SETTINGS}.items()]
        launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks), "-m"] if ranks > 1 else []
        net, data = str(folder / "net.json"), str(folder / "photos")
        self.command = [sys.executable, "-m", *launcher, "hwnas", "train", net, "--data", data,
                        "--threads", str(threads), *settings]  # fmt: skip

    def start(self, out: Path) -> "subprocess.Popen[bytes]":
        """Begin, or go on, in `out`."""
        command = [*self.command, "--out", str(out)]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def undisturbed(self, out: Path) -> float:
        """Run to the end: the seconds from the first checkpoint until it was no longer needed."""
        process = self.start(out)
        began = wait_for_checkpoint(process, out, 0)
        ended = began
        while process.poll() is None:
            ended = time.monotonic() if (out / "train.state").exists() else ended
            time.sleep(0.01)
        if process.returncode != 0:
            raise SystemExit(f"the undisturbed run ended with {process.returncode}")
        return ended - began

    def kill_after(self, out: Path, seconds: float) -> int | None:
        """Go on in `out` until `seconds` after the first checkpoint: the update of the last one, None at the end."""
        process = self.start(out)
        wait_for_checkpoint(process, out, time.time_ns())
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            for victim in children(process.pid) if self.ranks > 1 else [process.pid]:
                kill(victim)
            process.wait()
        return int(load_state(out / "train.state")["step"]) if (out / "train.state").exists() else None


def wait_for_checkpoint(process: "subprocess.Popen[bytes]", out: Path, since: int) -> float:
    """Wait until there is a checkpoint that was written after `since`, in ns, or the end: the moment, in seconds."""
    state, late = out / "train.state", time.monotonic() + WAIT
    while process.poll() is None and not (state.exists() and state.stat().st_mtime_ns > since):
        if time.monotonic() > late:
            kill(process.pid)
            raise SystemExit(f"no checkpoint in {WAIT:g} s")
        time.sleep(0.01)
    return time.monotonic()


def children(parent: int) -> Sequence[int]:
    """The processes that `parent` started: torchrun's ranks."""
    return [int(one) for one in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def kill(process: int) -> None:
    """End a process at once, unless it ended already."""
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def difference(one: Path, other: Path) -> float:
    """The largest of any weight that two runs kept, the best ones and the last; 0 where all bits are equal."""
    files = sorted(path.name for path in one.glob("*.safetensors"))
    if files != sorted(path.name for path in other.glob("*.safetensors")):
        raise SystemExit(f"{one.name} and {other.name} kept different epochs")
    largest = 0.0
    for name in files:
        if (one / name).read_bytes() == (other / name).read_bytes():
            continue
        theirs = load_file(other / name)
        apart = [float((value - theirs[key]).abs().max()) for key, value in load_file(one / name).items()]
        largest = max(largest, *apart, sys.float_info.min)  # bits may differ where numbers are equal
    return largest


def disturbed(training: Training, kills: int, seconds: float, whole: Path, seed: int) -> dict[str, Any]:
    """Kill runs `kills` times, of `seconds` each, and compare what they end with with the run `whole`."""
    rng = random.Random(seed)
    steps: list[int] = []
    found: list[float] = []
    while len(steps) < kills:
        out = whole.with_name(f"{whole.name}_{len(found)}")
        while len(steps) < kills:
            step = training.kill_after(out, rng.uniform(0, 2 * seconds / kills))
            if step is None:
                break
            steps.append(step)
            print(f"{out.name}: killed, with a checkpoint at update {step}", file=sys.stderr)
        if (process := training.start(out)).wait() != 0:
            raise SystemExit(f"a run that was killed at {steps} ended with {process.returncode}")
        found.append(difference(whole, out))
    summary = {"kills": len(steps), "different_updates": len(set(steps)), "runs": len(found), "difference": max(found)}
    return {**summary, "updates": steps}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="kills of one process")
    parser.add_argument("--rank-kills", type=int, default=10, help="kills of two ranks")
    parser.add_argument("--images", type=int, default=120, help="of each class")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    figures: dict[str, Any] = {}
    details: dict[str, Any] = {"settings": SETTINGS, "images": CLASSES * args.images, "epochs": args.epochs}
    with TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder / "photos", args.images)
        write_json(folder / "net.json", NET.to_json())
        for label, ranks, kills in (("one_process", 1, args.kills), ("two_ranks", 2, args.rank_kills)):
            training = Training(folder, ranks, args.epochs)
            seconds = training.undisturbed(folder / label)
            print(f"{label}: {seconds:.1f} s of training", file=sys.stderr)
            found = disturbed(training, kills, seconds, folder / label, args.seed)
            print(f"{label}: {found}", file=sys.stderr)
            details[label] = {"updates_at_the_kills": found.pop("updates")}
            figures[label] = found
        Training(folder, 1, args.epochs, threads=2).undisturbed(folder / "two_threads")
        figures["one_process"]["from_two_threads"] = difference(folder / "one_process", folder / "two_threads")
        figures["two_ranks"]["from_one_process"] = difference(folder / "one_process", folder / "two_ranks")
    record(figures, args.save, details)


if __name__ == "__main__":
    main()
