"""What the pages say is typed is what the commands take, and what README.md says in Python runs."""

import ast
import inspect
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

import hwnas
from hwnas import cli
from hwnas.cli.app import app
from hwnas.search.plan import Plan
from hwnas.strategies import methods

ROOT = Path(hwnas.__file__).parents[1]
EXAMPLES = ROOT / "tests" / "third_party"
"""Where the files are that docs/extending.md shows."""

PAGES = ["README.md", *(f"docs/{name}.md" for name in ("architecture", "extending", "glossary", "scale")),
         *(f"{folder}/README.md" for folder in ("hwnas/latency", "hwnas/devices", "latency_tables"))]  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A command line of a page, without the program's name; `whole` unless it is part of a sentence."""

    page: str
    words: tuple[str, ...]
    whole: bool

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)}"


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page):
    """Every `hwnas ...` of a page: in blocks of the shell, in indented ones, and in sentences."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    prose = FENCE.sub("", text)
    blocks = [block for kind, block in FENCE.findall(text) if kind == "sh"]
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    for line, whole in [*((line, True) for line in lines), *((span, False) for span in spans)]:
        if line.startswith(("hwnas ", "torchrun ")):
            yield Shown(page, words_of(line), whole)


def words_of(line):
    """The words after the program's name."""
    words = shlex.split(line, comments=True)
    start = words.index("hwnas") + 1 if "hwnas" in words else 1
    return tuple(word for word in words[start:] if word != "...")


SHOWN = [shown for page in PAGES for shown in commands(page)]


def parse(words, *, resilient=False):
    """The contexts of the program, its groups and its command, each parsed as when they run."""
    command, name, rest, parent, found = typer.main.get_command(app), "hwnas", list(words), None, []
    while True:
        group = hasattr(command, "resolve_command")
        context = command.make_context(name, rest, parent=parent, resilient_parsing=resilient)
        found.append(context)
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        if not (group and rest):
            return found
        name, command, rest = command.resolve_command(context, rest)
        parent = context


def test_the_pages_show_commands():
    whole = [shown for shown in SHOWN if shown.whole]
    assert sum(shown.page == "README.md" for shown in whole) > 30
    assert {"README.md", "docs/extending.md", "docs/scale.md"} <= {shown.page for shown in whole}


@pytest.mark.parametrize("shown", SHOWN, ids=str)
def test_a_command_that_is_shown_can_be_typed(shown):
    contexts = parse(shown.words, resilient=not shown.whole)
    assert not contexts[-1].args


@pytest.mark.parametrize("shown", [shown for shown in SHOWN if shown.whole and "search" in shown.words], ids=str)
def test_the_settings_of_a_search_that_is_shown_go_together(shown, monkeypatch):
    plans = []

    def plan(config, out):
        plans.append(Plan.of(config))
        sys.exit(0)

    monkeypatch.chdir(EXAMPLES)
    monkeypatch.setattr("hwnas.pipeline.search.search", plan)
    monkeypatch.setattr(sys, "argv", ["hwnas", *shown.words])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert (end.value.code, len(plans)) == (0, 1)


@pytest.mark.parametrize("shown", [shown for shown in SHOWN if shown.whole and shown.words[0] == "compare"], ids=str)
def test_strategies_that_are_compared_are_there(shown, monkeypatch):
    monkeypatch.chdir(EXAMPLES)
    for name in parse(shown.words)[-1].params["strategies"].split(","):
        methods.get(name)


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", text) if not link.startswith("#")]
    assert not [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]
    named = re.findall(r"`((?:[\w.]+/)*\w+\.py)`", FENCE.sub("", text))
    places = [(ROOT / page).parent, ROOT, ROOT / "hwnas", ROOT / "benchmarks", EXAMPLES]
    missing = [name for name in named if not any((place / name).exists() for place in places)]
    assert set(missing) <= {"my.py", "file.py"}


LISTINGS = ("spaces", "zoo", "devices", "strategies", "tables")


def needs_nothing(words):
    """Whether a command lists or shows what comes with hwnas."""
    return words[0] in LISTINGS and words[1:2] in ((), ("show",)) and "--out" not in words


@pytest.mark.parametrize("shown", [shown for shown in SHOWN if shown.whole and needs_nothing(shown.words)], ids=str)
def test_a_listing_that_is_shown_runs(shown, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["hwnas", *shown.words])
    cli.main()
    printed, errors = capsys.readouterr()
    assert printed
    assert not errors


STAGES, ERROR = re.findall(r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", [STAGES, ERROR], ids=["stages", "error"])
def test_a_stage_takes_what_the_page_gives_it(block):
    calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
    stages = [call for call in calls if ast.unparse(call.func).startswith("hwnas.")]
    assert stages
    for call in stages:
        stage = getattr(hwnas, ast.unparse(call.func).removeprefix("hwnas."))
        named = {word.arg: None for word in call.keywords}
        inspect.signature(stage).bind(*call.args, **named)


def test_an_error_has_the_code_and_fields(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    exec(ERROR, {"hwnas": hwnas})
    assert capsys.readouterr().out.startswith("reference.unknown {")


@pytest.mark.serial
def test_each_stage_takes_what_the_one_before_returned(monkeypatch, tmp_path, capsys):
    """The block of README.md as it is, on a space, a time and steps that are small."""

    class Quick:
        """The stages, told to be quick; their results go from one to the next untouched."""

        def __getattr__(self, name):
            return getattr(hwnas, name)

        def profile(self, space, device, out):
            space = "nas-bench-macro-16"
            return hwnas.profile(space, device, out=out, time_limit=3, networks=12, progress=events.append)

        def search(self, table, latency_ms, weights):
            fastest, slowest = table.predicted_ms
            quick = {"weights": {**weights, "warmup_steps": 2, "steps": 2}, "finalists": {"measuring_seconds": 1}}
            return hwnas.search(table, (fastest + 2 * slowest) / 3, **quick, progress=events.append)

        def train(self, net, out):
            return hwnas.train(net, out=out, epochs=1, progress=events.append)

    events = []
    monkeypatch.chdir(tmp_path)
    names = {"hwnas": Quick()}
    exec(STAGES.replace("import hwnas\n", ""), names)
    assert "measured_ms" in capsys.readouterr().out
    assert {event.stage for event in events} >= {"profile", "search", "train"}
    assert names["found"].net() == names["trained"].read_net()
    assert [Path(names[name]).exists() for name in ("table", "found", "trained", "bundle")] == [True] * 4
    assert names["table"].predicted_ms[0] < names["table"].predicted_ms[1]
    assert 0 <= names["trained"].top1 <= 1
    assert names["bundle"].manifest
    assert names["found"].record.arch
    (predicted,) = hwnas.predict(names["table"], [names["found"]]).networks
    assert predicted.ms == pytest.approx(names["found"].record.predicted_ms)
