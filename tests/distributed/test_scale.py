"""The page on scale says what its program computes."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scale():
    spec = importlib.util.spec_from_file_location("scale", ROOT / "benchmarks" / "scale.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_the_table_and_the_figures_of_the_program(scale):
    page = (ROOT / "docs" / "scale.md").read_text()
    assert scale.table() in page
    assert scale.facts() in page


def test_an_all_reduce_of_two_sends_its_bytes_once(scale):
    plan = scale.Plan(2, 256)
    rate, hop = scale.INSIDE
    assert plan.sent == pytest.approx(4 * scale.PARAMS)
    assert plan.message(rate) == pytest.approx(1 + 2 * hop)


def test_twice_the_gpus_take_half_the_hours_but_for_messages(scale):
    few, many = scale.Plan(8, 1024), scale.Plan(16, 2048)
    assert few.compute == many.compute
    assert 0.5 < many.hours / few.hours < 0.52
