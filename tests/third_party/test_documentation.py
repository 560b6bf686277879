"""docs/extending.md shows the very files that are tested here."""

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TEXT = (HERE.parents[1] / "docs" / "extending.md").read_text()
SHOWN = dict(re.findall(r"^`tests/third_party/([\w./-]+)`:\n\n```\w*\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE))
EXAMPLES = sorted(
    str(path.relative_to(HERE))
    for path in [*HERE.glob("my*.py"), *HERE.glob("*.yaml"), HERE / "test_my.py", *HERE.glob("package/**/*.*")]
    if path.suffix in (".py", ".yaml", ".toml") and "egg-info" not in str(path) and "build" not in path.parts
)


def test_every_example_is_shown():
    assert sorted(SHOWN) == EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_documentation_shows_the_file(name):
    assert SHOWN[name] == (HERE / name).read_text()


def test_a_strategy_has_20_lines_and_a_space_15():
    lines = {name: (HERE / name).read_text().splitlines() for name in ("tiny.yaml", "my_strategy.py")}
    assert len(lines["tiny.yaml"]) <= 15
    assert len([line for line in lines["my_strategy.py"] if line]) <= 20
