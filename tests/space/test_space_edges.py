"""Kinds that no one knows are errors, never nothing; and a wrong configuration is told with its place."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from hwnas.space import config_errors
from hwnas.space.layer import Layer
from hwnas.space.net import Block
from hwnas.space.space import SearchSpace
from hwnas.space.walks import walk


@pytest.mark.parametrize("cost", ["weights", "params", "traffic"])
def test_a_layer_of_an_unknown_kind_costs_no_number(cost):
    with pytest.raises(AssertionError, match="dance"):
        getattr(Layer("dance", "a", 2, 2), cost)


def test_a_block_of_an_unknown_kind_has_no_walk():
    with pytest.raises(AssertionError, match="dance"):
        walk(SimpleNamespace(op="dance"))


@pytest.mark.parametrize("what", ["positions", "fingerprint"])
def test_a_part_of_an_unknown_kind_is_no_position(what):
    space = SearchSpace("small", (Block("conv", 3, 5, 8, 8, 3), Block("classifier", 5, 2, 8, 8)))
    assert getattr(space, what)
    wrong = object.__new__(SearchSpace)
    wrong.__dict__.update(replace(space).__dict__, parts=("dance",))
    wrong.__dict__.pop(what, None)
    with pytest.raises(AssertionError, match="dance"):
        getattr(wrong, what)


CONFIG = {"first": {"name": "ConvLayer", "kernel": 3}, "blocks": [{"name": "MBConv", "stride": 2}]}


@pytest.mark.parametrize(
    ("place", "keys"),
    [
        (("first", "ConvLayer", "kernel"), ["first", "kernel"]),
        (("first", "ConvLayer"), ["first"]),
        (("first", "bias"), ["first", "bias"]),
        (("blocks", 0, "MBConv", "stride"), ["blocks", 0, "stride"]),
        (("blocks", 7, "stride"), ["blocks"]),
        (("first", "kernel", "function"), ["first", "kernel"]),
    ],
)
def test_a_place_is_without_the_names_of_kinds(place, keys):
    assert list(config_errors._without_kinds(place, CONFIG)) == keys


@pytest.mark.parametrize(
    ("place", "value"),
    [(("blocks", 0, "stride"), 2), (("first", "bias"), None), (("first", "kernel", "more"), 3), ((), CONFIG)],
)
def test_a_value_is_the_one_at_its_place(place, value):
    assert config_errors._value_at(place, CONFIG) == value


def test_what_has_no_words_of_its_own_is_no_such_value():
    assert config_errors._reason("frozen_set_type", {}, True, "a.b") == "a.b is true, which is no such value"
