"""Whether the tests notice small faults: a hundred fixed mutants of hwnas, each against the tests of its room.

    python benchmarks/mutants.py [--base CHECKOUT] [--only ID ...] [--runs build/mutants]
        [--save benchmarks/results/mutants.json]

`mutants.json` beside this lists them: a line of a function and another in its place, as `mutants_draw.py` drew them
with a fixed seed, the test files that are run against it, and those drawn that change nothing that can be seen, with
the reason. Each is put into a copy of this tree, or of an earlier checkout in `--base`, whose own files it names, never
into the tree itself. It is killed where one of its tests fails, or where they take more than `--limit` seconds. Which
test did is kept: at the end all those run once more without any fault, and must pass. A `limit` of its own has what
makes a test wait for ever.

What is done is in `--runs` and is not done again, unless `--only` names it. The figures are those of both trees; run it
once for each, and then with `--save`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from math import ceil
from pathlib import Path
from select import select
from signal import SIGKILL
from time import perf_counter
from typing import Any

from record import record

from hwnas.files import write_json
from hwnas.progress import show_progress

HERE = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "runs", "dist", "__pycache__", "*.egg-info", "shared")

USAGE = 4
"""pytest's exit code where it cannot begin: for a test that is not there, or what its conftest cannot import."""

NOTICED = r"^(?:FAILED |ERROR |ImportError while loading conftest '.*?(?=tests/))(.+?)(?: - .*|'\.)?$"
"""The test, or the file of tests, that noticed a fault, in what pytest said."""

SERVER = """
import json, os, sys
import hypothesis, numpy, onnx, onnxruntime, PIL.Image, pydantic, pytest, rich, scipy.optimize, typer
import timm, torch, torchvision

for line in sys.stdin:
    log, *words = json.loads(line)
    child = os.fork()
    if not child:
        os.setsid()
        for descriptor, name in enumerate((os.devnull, log, log)):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND), descriptor)
        code = pytest.main(words)
        sys.stdout.flush()
        os._exit(code)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs pytest again and again, in a child each time: to load torch and its like takes longer than most of the tests."""


class Tree:
    """A copy of a checkout in which faults are made: this one's (`now`) or an earlier one's (`before`)."""

    def __init__(self, name: str, root: Path, limit: float) -> None:
        self.name, self.root, self.limit = name, root, limit
        self.log = root.with_suffix(".log")
        environment = {**os.environ, "PYTHONPATH": str(root)}
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            bufsize=0,  # or a line would be waited for that was read with the one before
            cwd=root,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def of(self, mutant: dict[str, Any], what: str) -> Any:
        """The file or the tests of a mutant, as they are called in this tree."""
        earlier = mutant.get(f"{what}_before") if self.name == "before" else None
        return earlier or mutant[what]

    def require_lines(self, mutants: list[dict[str, Any]]) -> None:
        """Stop unless every mutant's file has its line once."""
        for one in mutants:
            path = self.root / self.of(one, "file")
            rows = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
            if sum(row.strip() == self.of(one, "line") for row in rows) != 1:
                sys.exit(f"mutant {one['id']}: its line is not once in {path}: say in mutants.json where it is now")

    def tests(self, words: list[str], limit: float) -> tuple[int | None, str]:
        """pytest in this tree, up to the first test that fails: exit code and output; None: not within the limit."""
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        self.log.unlink(missing_ok=True)
        options = ["-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
        self.server.stdin.write(json.dumps([str(self.log), *options, *words]).encode() + b"\n")
        self.server.stdin.flush()
        child, code = int(self.server.stdout.readline()), None
        try:
            for _ in range(ceil(limit)):  # seconds in which this ran: it may have been stopped in between
                if select([self.server.stdout], [], [], 1.0)[0]:
                    code = int(self.server.stdout.readline())
                    break
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child, SIGKILL)  # and all that the tests started
        if code is None:
            self.server.stdout.readline()
        return code, self.log.read_text(errors="replace")

    def outcome(self, mutant: dict[str, Any]) -> dict[str, Any]:
        """Make the fault, run its tests, mend it: whether it was killed, by which test, and the seconds it took."""
        path, start = self.root / self.of(mutant, "file"), perf_counter()
        source, limit = path.read_text(encoding="utf-8"), mutant.get("limit", self.limit)
        self._write(path, mutated(source, self.of(mutant, "line"), self.of(mutant, "mutant")))
        try:
            code, said = self.tests(self.of(mutant, "tests"), limit)
        finally:
            self._write(path, source)
        imports = code == USAGE and "while loading conftest" in said  # which the fault broke
        if code not in (None, 0, 1, 2, 3) and not imports:
            raise SystemExit(f"{mutant['id']}: pytest ended with {code}\n{said}")
        found = re.search(NOTICED, said, re.MULTILINE)
        by = f"more than {limit:g} s" if code is None else found[1] if found else ""
        return {"killed": code != 0, "by": by, "seconds": round(perf_counter() - start, 1)}

    def passing(self, tests: set[str]) -> bool:
        """Whether all these tests pass without a fault, so that it was the fault that they noticed."""
        code, said = self.tests(sorted(tests), 4 * self.limit)
        print(said[-2000:], file=sys.stderr)
        return code == 0

    @staticmethod
    def _write(path: Path, source: str) -> None:
        path.write_text(source, encoding="utf-8")
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):  # two files of one second may look the same
            compiled.unlink()


def mutated(source: str, line: str, mutant: str) -> str:
    """`source` with `mutant` in place of a `line` that it has once; indentation does not count."""
    rows = source.split("\n")
    (number,) = (number for number, row in enumerate(rows) if row.strip() == line)
    indent = rows[number][: len(rows[number]) - len(rows[number].lstrip())]
    rows[number] = indent + mutant
    return "\n".join(rows)


def run(tree: Tree, mutants: list[dict[str, Any]], only: list[int] | None, kept: Path) -> None:
    """Run all mutants, or `only` some, that `kept` has no outcome of; the outcomes are written there."""
    tree.require_lines(mutants)
    found = json.loads(kept.read_text()) if kept.exists() else {}
    due = [one for one in mutants if (one["id"] in only if only else str(one["id"]) not in found)]
    with show_progress("mutants", len(due)) as report:
        for number, mutant in enumerate(due, 1):
            found[str(mutant["id"])] = tree.outcome(mutant)
            write_json(kept, found)
            report(number, f"{sum(not one['killed'] for one in found.values())} survive")


def figures(runs: Path, mutants: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """How many were killed in each tree that was run, and which survived."""
    numbers: dict[str, Any] = {"mutants": len(mutants)}
    details: dict[str, Any] = {}
    for name in ("now", "before"):
        kept = runs / f"{name}.json"
        if kept.exists():
            found = json.loads(kept.read_text())
            alive = [one for one in mutants if not found[str(one["id"])]["killed"]]
            numbers[f"killed_{name}"] = len(mutants) - len(alive)
            details[f"survivors_{name}"] = [
                {what: one[what] for what in ("id", "file", "function", "line", "mutant")} for one in alive
            ]
            details[f"killed_by_{name}"] = {one: outcome["by"] for one, outcome in found.items() if outcome["killed"]}
            details[f"seconds_{name}"] = round(sum(outcome["seconds"] for outcome in found.values()))
    return numbers, details


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path)
    parser.add_argument("--only", type=int, nargs="+")
    parser.add_argument("--limit", type=float, default=240.0)
    parser.add_argument("--runs", type=Path, default=HERE / "build" / "mutants")
    parser.add_argument("--save", type=Path)
    asked = parser.parse_args()
    mutants = json.loads(Path(__file__).with_name("mutants.json").read_text())["mutants"]
    name = "now" if asked.base is None else "before"
    root = asked.runs.resolve() / name
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(asked.base or HERE, root, ignore=LEFT_OUT)
    tree, kept = Tree(name, root, asked.limit), asked.runs / f"{name}.json"
    run(tree, mutants, asked.only, kept)
    outcomes = json.loads(kept.read_text()).values()
    if not tree.passing({one["by"] for one in outcomes if "::" in one["by"]}):
        sys.exit("a test that killed a mutant fails without it too")
    shutil.rmtree(root)
    numbers, details = figures(asked.runs, mutants)
    record(numbers, asked.save, details)


if __name__ == "__main__":
    main()
