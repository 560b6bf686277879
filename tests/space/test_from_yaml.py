"""Spaces as YAML: the built-in ones of the common form come out the same, and a mistake is one line with its place."""

from itertools import product
from math import prod
from pathlib import Path

import pytest
import yaml

from hwnas.space import from_yaml, registry
from hwnas.space.common_form import MOST_CANDIDATES, build
from hwnas.space.space import Choice, SearchSpace
from hwnas.testing import refused

FILES = Path(__file__).parent / "files"

SMALL = """
schema: 1
name: small
resolution: 16
classes: 4
stem: {channels: 8}
stages:
  - {channels: 8, kernels: [3, 5]}
"""


def small(stage: str = "{channels: 8, kernels: [3, 5]}", more: str = "", classes: int | None = None) -> SearchSpace:
    text = SMALL.replace("{channels: 8, kernels: [3, 5]}", stage) + more
    return build(from_yaml.parse(yaml.safe_load(text), "small.yaml"), "small.yaml", classes)


@pytest.mark.parametrize("name", ["proxyless", "proxyless-32", "mobilenetv3-32"])
def test_a_built_in_space_as_yaml_has_the_same_fingerprint(name):
    ours, theirs = from_yaml.read(FILES / f"{name}.yaml"), registry.get(name)
    assert ours.fingerprint == theirs.fingerprint
    assert (ours, ours.size) == (theirs, theirs.size)
    assert from_yaml.read(FILES / f"{name}.yaml", 7).fingerprint == registry.get(name, 7).fingerprint


def test_efficientnet_as_yaml_has_the_same_blocks_under_other_names_of_its_choices():
    ours, theirs = from_yaml.read(FILES / "efficientnet-b0.yaml"), registry.get("efficientnet-b0")
    assert [place.candidates for place in ours.positions] == [place.candidates for place in theirs.positions]
    assert (ours.choices, ours.size) == (theirs.choices, theirs.size)


def test_a_space_of_fifteen_lines_suffices():
    assert len((FILES / "proxyless-32.yaml").read_text().splitlines()) <= 15


def networks(space: SearchSpace) -> int:
    """How many different networks all architectures make, counted one by one."""
    return len({space.derive(arch) for arch in product(*map(range, space.choices))})


@pytest.mark.parametrize(
    ("stage", "more"),
    [
        ("{channels: [8, 16], layers: [1, 2], kernels: [3, 5], stride: 2}", ""),
        ("{channels: 8, layers: 3, kernels: [3, 5], skip: true, stride: 2}", ""),
        ("{channels: 8, layers: [1, 3], kernels: [3, 5], expansions: [2, 3], stride: 2}", "choose: per-dimension"),
        ("{channels: 8, layers: [1, 3], kernels: [3, 5], expansions: [2, 3]}", "choose: per-stage"),
        ("{channels: 16, layers: [1, 2], kernels: [3, 5]}", "widths: [0.5, 1]"),
        ("{channels: 16, operation: [conv, mbconv], expansions: [2, 4]}", ""),
        ("{channels: 16, activation: [relu, hswish], se: [0, 0.25], choose: per-dimension}", ""),
    ],
)
def test_the_size_is_the_number_of_networks(stage, more):
    space = small(stage, more)
    skips = any("skip" in [block.op for block in place.candidates] for place in space.positions)
    if "skip: true" in stage:
        assert space.size == prod(space.choices) == 2 * 3 * 3, "architectures are counted, as publications do"
    else:
        assert networks(space) == space.size
    assert skips == ("skip: true" in stage or "layers: [" in stage)


def test_a_layer_is_skipped_only_where_the_shape_allows_it():
    assert small("{channels: 8, layers: 2, kernels: [3, 5], skip: true}").choices == (3, 3)
    assert small("{channels: 16, layers: 2, kernels: [3, 5], skip: true}").choices == (2, 3)
    assert small("{channels: 8, layers: 2, kernels: [3, 5], skip: true, stride: 2}").choices == (2, 3)


def test_who_chooses():
    stage = "{channels: 16, layers: 2, kernels: [3, 5], expansions: [2, 3]}"
    assert small(stage).choices == (4, 4)
    assert small(stage).independent
    names = [slot.name for slot in small(stage, "choose: per-dimension").slots if isinstance(slot, Choice)]
    assert names == [f"stage 1 layer {layer} {what}" for layer in (1, 2) for what in ("kernel", "expansion")]
    names = [slot.name for slot in small(stage, "choose: per-stage").slots if isinstance(slot, Choice)]
    assert names == ["stage 1 kernel", "stage 1 expansion"]
    (first, *_) = [slot for slot in small(stage, "widths: [1, 2]").slots if slot.name == "stage 1 layer 1"]
    assert first.options == ("mbconv k3 e2 relu", "mbconv k3 e3 relu", "mbconv k5 e2 relu", "mbconv k5 e3 relu")


def test_what_is_asked_of_a_layer_is_what_it_is():
    (block,) = small("{channels: 8, expansions: 2.5, se: 0.25, se_of: inside, hard: true}").parts[1:2]
    assert (block.op, block.expanded, block.se, block.hard, block.residual) == ("mbconv", 24, 8, True, True)
    (block,) = small("{channels: 8, se: 0.25, residual: false}").parts[1:2]
    assert (block.se, block.hard, block.residual) == (2, False, False)
    assert small(more="head: {channels: 24, hidden: 32, activation: hswish}").parts[-1].mid == 32
    assert small(classes=9).classes == 9


@pytest.mark.parametrize(
    ("stage", "more", "place"),
    [
        ("{channels: 8, kernels: [3, 4]}", "", "stages.0.kernels.1"),
        ("{channels: 8, kernels: [3, 3]}", "", "stages.0.kernels"),
        ("{channels: 8, kernels: []}", "", "stages.0.kernels"),
        ("{channels: 8, kernels: [three]}", "", "stages.0.kernels.0"),
        ("{channels: 0}", "", "stages.0.channels.0"),
        ("{kernels: 3}", "", "stages.0.channels"),
        ("{channels: 8, operation: [conv, teleport]}", "", "stages.0.operation.1"),
        ("{channels: 8, se: 2}", "", "stages.0.se.0"),
        ("{channels: 8, layers: [0, 1]}", "", "stages.0.layers.0"),
        ("{channels: 8}", "classes: 1", "classes"),
        ("{channels: 8}", "choose: per-chance", "choose"),
        ("{channels: 8, se: 0.25}", "activation: ''", "stages.0"),
        ("{channels: 8, skip: true, choose: per-stage}", "", "stages.0"),
        ("[8]", "", "stages.0"),
        ("{channels: 8, expansions: [2.5, 3]}", "", "stages.0"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(stage, more, place):
    with refused("space-file.invalid", path="small.yaml", place=place) as refusal:
        small(stage, more)
    assert refusal.message.startswith(f"small.yaml: {place}: ")


def test_two_stages_of_one_name_are_refused():
    with refused("space-file.invalid", place="stages"):
        small(
            "{name: a, channels: 16, layers: [1, 2]}\n  - {name: a, channels: 16, layers: [1, 2, 3]}",
        )


def test_more_candidates_than_can_be_listed_are_refused():
    kernels = list(range(1, 99, 2))
    with refused("space-file.invalid", place="stages.0") as refusal:
        small(f"{{channels: {[8 * i for i in range(1, 99)]}, kernels: {kernels}, expansions: {list(range(1, 60))}}}")
    assert str(MOST_CANDIDATES) in refusal.message


@pytest.mark.parametrize(
    ("stage", "more", "place", "nearest"),
    [
        ("{channels: 8, kernals: 3}", "", "stages.0.kernals", "kernels"),
        ("{channels: 8}", "head: {chanels: 3}", "head.chanels", "channels"),
        ("{channels: 8}", "each: {kernel: 3}", "each.kernel", "kernels"),
        ("{channels: 8}", "stags: []", "stags", "stages"),
        ("{channels: 8}", "zzz: 1", "zzz", None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(stage, more, place, nearest):
    with refused("space-file.unknown-key", place=place, nearest=nearest):
        small(stage, more)


def test_a_file_that_is_no_space_is_refused(tmp_path):
    path = tmp_path / "a.yaml"
    with refused("space-file.unreadable", path=str(path)):
        from_yaml.read(path)
    for text, code in (("a: [", "unreadable"), ("- 1", "schema"), ("schema: 2", "schema"), ("", "schema")):
        path.write_text(text)
        with refused(f"space-file.{code}", path=str(path)):
            from_yaml.read(path)
