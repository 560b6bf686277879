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
    assert len((HERE / "tiny.yaml").read_text().splitlines()) <= 15
    assert len((HERE / "my_strategy.py").read_text().splitlines()) <= 25
