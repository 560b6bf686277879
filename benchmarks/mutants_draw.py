"""Draw small faults for `mutants.py`, a fixed seed's choice among all that are possible.

    python benchmarks/mutants_draw.py --base CHECKOUT [--count 160] [--seed 0]

Prints a JSON object for each fault, in the order drawn: room, file here and there, function, line and the line in its
place. Only lines that are found once, and in a function of the same name, here and in the earlier checkout: what the
tests of both notice can then be compared. Rooms have their share by the lines that are left. A person drops those
that change nothing that can be seen, and says in `mutants.json` why; the first hundred of the others are the list.
"""

import argparse
import ast
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[1]
FLIPPED: dict[type, str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
OTHERS: dict[type, str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "//",
    ast.Pow: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "argmin": "argmax", "argmax": "argmin"}


@dataclass(frozen=True)
class Line:
    """A line of a function: its file below the checkout, the function's name, and the text without indentation."""

    file: str
    function: str
    text: str


def edits(node: ast.AST, text: str) -> Iterator[tuple[str, str]]:
    """Kinds of faults and what stands in place of `node`, whose source is `text`.

    Few that end in an error at once wherever the line runs, as a name that is never assigned: any test notices those.
    """
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield "compare", f"{ast.unparse(left)} {FLIPPED[type(op)]} {ast.unparse(right)}"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OTHERS:
            yield "arithmetic", f"({ast.unparse(left)} {OTHERS[type(op)]} {ast.unparse(right)})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "not", f"bool({ast.unparse(operand)})"
        case ast.BoolOp(op=op, values=values):
            word = " or " if isinstance(op, ast.And) else " and "
            yield "logic", f"({word.join(ast.unparse(value) for value in values)})"
        case ast.IfExp(test=test, body=body, orelse=other):
            yield "choice", f"({ast.unparse(other)} if {ast.unparse(test)} else {ast.unparse(body)})"
        case ast.Constant(value=bool() as value):
            yield "constant", str(not value)
        case ast.Constant(value=int() | float() as value):
            yield "constant", str(value + 1 if isinstance(value, int) else value * 2 or 1.0)
        case ast.Call(func=func, args=[ast.Name() as first, ast.Name() as second, *others], keywords=words):
            yield "arguments", ast.unparse(ast.Call(func, [second, first, *others], words))
        case ast.Name(id=name) if name in NAMES:
            yield "name", NAMES[name]
        case ast.Attribute(value=value, attr=name) if name in NAMES:
            yield "name", f"{ast.unparse(value)}.{NAMES[name]}"
        case ast.Continue():
            yield "loop", "break"
        case ast.Expr(value=ast.Call()) | ast.AugAssign() | ast.Assign(targets=[ast.Subscript()]):
            yield "dropped", "pass"


def parts_of(node: ast.AST) -> Iterator[ast.AST]:
    """The children of a node in which faults are looked for: no annotations, texts, and checks of lengths in zip."""
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list"):
            for child in value if isinstance(value, list) else [value]:
                text = isinstance(child, ast.JoinedStr | ast.Raise | ast.Assert)
                lengths = isinstance(child, ast.keyword) and child.arg == "strict"
                if isinstance(child, ast.AST) and not text and not lengths:
                    yield child


def lines_of(path: Path, root: Path) -> dict[Line, list[tuple[str, str]]]:
    """The lines of a file's functions, each with its possible faults: kind, and the line in its place."""
    source = path.read_text(encoding="utf-8")
    found: dict[Line, list[tuple[str, str]]] = defaultdict(list)
    rows = source.splitlines()

    def visit(node: ast.AST, function: str) -> None:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = node.name
        elif function and isinstance(node, ast.expr | ast.stmt) and node.lineno == node.end_lineno:
            row = rows[node.lineno - 1].encode()
            start, end = node.col_offset, node.end_col_offset or 0
            line = Line(path.relative_to(root).as_posix(), function, row.decode().strip())
            found[line] += [
                (kind, (row[:start] + new.encode() + row[end:]).decode().strip())
                for kind, new in edits(node, row[start:end].decode())
            ]
        if isinstance(node, ast.If | ast.While) and function and node.test.lineno == node.test.end_lineno:
            test = node.test
            row = rows[test.lineno - 1].encode()
            line = Line(path.relative_to(root).as_posix(), function, row.decode().strip())
            new = f"not ({ast.unparse(test)})".encode()
            changed = row[: test.col_offset] + new + row[test.end_col_offset or 0 :]
            found[line].append(("condition", changed.decode().strip()))
        for child in parts_of(node):
            visit(child, function)

    visit(ast.parse(source), "")
    return found


def lone(root: Path) -> dict[tuple[str, str], tuple[Line, list[tuple[str, str]]]]:
    """Of a checkout, all lines whose function and text are found once, with their possible faults."""
    counts: Counter[tuple[str, str]] = Counter()
    found = {}
    for path in sorted((root / "hwnas").rglob("*.py")):
        texts = Counter(row.strip() for row in path.read_text(encoding="utf-8").splitlines())
        for line, faults in lines_of(path, root).items():
            counts[line.function, line.text] += texts[line.text]
            found[line.function, line.text] = (line, faults)
    return {key: value for key, value in found.items() if counts[key] == 1 and value[1]}


def draw(base: Path, count: int, seed: int) -> Iterator[dict[str, str]]:
    """So many faults, of different lines, rooms by their share of lines."""
    now, before = lone(HERE), lone(base)
    rooms: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for key in sorted(now.keys() & before.keys()):
        parts = now[key][0].file.split("/")
        rooms[parts[1] if len(parts) > 2 else "base"].append(key)
    rng, total = random.Random(seed), sum(map(len, rooms.values()))
    shares = {room: max(3, round(count * len(keys) / total)) for room, keys in rooms.items()}
    chosen = [(room, key) for room, keys in rooms.items() for key in rng.sample(keys, min(shares[room], len(keys)))]
    rng.shuffle(chosen)
    for room, key in chosen:
        here, faults = now[key]
        kind, mutant = rng.choice(faults)
        yield {
            "room": room,
            "kind": kind,
            "file": here.file,
            "file_before": before[key][0].file,
            "function": here.function,
            "line": here.text,
            "mutant": mutant,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--count", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for fault in draw(asked.base, asked.count, asked.seed):
        print(json.dumps(fault))


if __name__ == "__main__":
    main()
