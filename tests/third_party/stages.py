"""Every stage, run on parts of one's own as a stranger runs them: commands in a folder elsewhere."""

import atexit
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import hwnas

ROOT = Path(hwnas.__file__).parents[1]
CLASSES = 3
QUICK = [
    "weights.warmup_steps=4", "weights.steps=4", "weights.batch_size=16",
    "evaluations=8", "finalists.measuring_seconds=1", "finalists.use=0",
]  # fmt: skip


@cache
def preloaded(site: Path | None) -> subprocess.Popen:
    """The process that runs commands where the packages of `site` are installed, until the tests end."""
    path = os.pathsep.join(str(place) for place in (site, ROOT) if place)
    process = subprocess.Popen(
        [sys.executable, "-P", Path(__file__).with_name("preloaded.py")], text=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    atexit.register(process.communicate)
    return process


@dataclass
class Stranger:
    """A folder to run commands in. `site` is a folder of installed packages, `allow` the code that files may name."""

    folder: Path
    site: Path | None = None
    allow: list[str] = field(default_factory=list)

    def run(self, *words: object, trusted: bool = True) -> subprocess.CompletedProcess:
        """The finished command, as it ended."""
        allowed = [word for reference in self.allow * trusted for word in ("--allow", reference)]
        command = [*allowed, *map(str, words)]
        process = preloaded(self.site)
        print(json.dumps([str(self.folder), *command]), file=process.stdin, flush=True)
        return subprocess.CompletedProcess(command, *json.loads(process.stdout.readline()))

    def answer(self, *words: object) -> dict:
        """The JSON answer of a command that must succeed."""
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def refusal(self, *words: object) -> str:
        """The one line of a command that must be refused without what is allowed."""
        done = self.run(*words, trusted=False)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        (line,) = done.stderr.splitlines()
        return line


def run_all(
    stranger: Stranger, space: str, strategy: str, objective: str, device: str, images: Path, accuracies: Path
) -> None:
    """Every stage in order, with the parts of these references and the device of this name, on images of 3 classes."""
    checked = stranger.answer("spaces", "check", space, "--networks", 3, "--classes", CLASSES)
    assert len(checked["checked"]) == 3
    profiled = stranger.answer(
        "profile", "--space", space, "--device", device, "--classes", CLASSES, "--time-limit", 1, "--networks", 10,
        "--out", "table.json",
    )  # fmt: skip
    latency = 0.3 * profiled["fastest_ms"] + 0.7 * profiled["slowest_ms"]
    table = json.loads((stranger.folder / "table.json").read_text())
    assert (table["space"], table["fingerprint"]) == (space, checked["fingerprint"])
    arch = checked["checked"][0]
    (predicted,) = stranger.answer("predict", "--table", "table.json", "--space", space, "--arch", arch)["networks"]
    assert predicted["low"] <= predicted["ms"] <= predicted["high"]
    shown = stranger.answer("spaces", "show", space, "--table", "table.json")
    assert shown["networks"] == checked["networks"]
    settings = [word for setting in QUICK for word in ("--set", setting)]
    found = stranger.answer(
        "search", "--table", "table.json", "--space", space, "--latency", latency, "--data", images, "--out", "found",
        "--strategy", strategy, "--set", f"objective={objective}", *settings,
    )  # fmt: skip
    assert (found["space"], found["device"]["device"]) == (space, device)
    assert len((stranger.folder / "found" / "history.jsonl").read_text().splitlines()) >= 4
    stranger.answer("train", "found", "--data", images, "--out", "trained", "--epochs", 1)
    stranger.answer("export", "trained", "--data", images, "--name", "mine")
    verified = stranger.answer("verify", "export/mine", "--data", images)
    assert verified["latency_checked"]
    compared = stranger.answer(
        "compare", "--table", accuracies, "--strategies", f"{strategy},random", "--budget", 12, "--seeds", 1
    )
    assert {result["strategy"] for result in compared["results"]} == {strategy, "random"}
