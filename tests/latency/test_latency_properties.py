"""What is stored of latencies comes back as it was, and what is computed quickly is what was computed slowly."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from onnx import helper

from hwnas.devices.base import DeviceState
from hwnas.errors import InputError
from hwnas.latency import onnx_file
from hwnas.latency.checkpoint import Checkpoint
from hwnas.latency.samples import Samples
from hwnas.latency.stats import MIN_QUIET, Estimate, half_width, is_quiet, quantile_interval, ratio_of
from hwnas.latency.stats import estimate as estimate_of
from hwnas.latency.table import load, read_arch, write_arch
from hwnas.testing import refused

few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MS = some.floats(1e-6, 1e6)
VISITS = some.lists(some.tuples(some.lists(MS, min_size=1, max_size=3).map(np.array), MS), min_size=1, max_size=40)
STATES = some.builds(DeviceState, some.none() | MS, some.none() | MS, some.none() | some.booleans())


def samples_of(visits, reference=(), readings=(), elapsed=0.0):
    found = Samples(reference=list(reference), readings=list(readings), elapsed=elapsed)
    found.visits.update(visits)
    return found


@few
@given(
    some.dictionaries(some.text(max_size=6), VISITS, max_size=3),
    some.lists(MS, max_size=5),
    some.lists(some.tuples(some.integers(0, 9), STATES), max_size=3),
    VISITS,
)
def test_a_checkpoint_is_what_json_makes_of_all_samples_however_they_grew(tmp_path, visits, reference, readings, more):
    samples = samples_of(visits, reference, readings, 1.5)
    kept = Checkpoint(tmp_path / "a.partial", {"space": "tiny"})
    for _ in range(2):
        kept.write(samples)
        whole = {"schema": 2, "identity": {"space": "tiny"}, "samples": samples.to_json()}
        assert kept.path.read_text() == json.dumps(whole)
        assert kept.load().to_json() == samples.to_json()
        samples.visits["more"] += more


@few
@given(VISITS, MS, MS, some.floats(1e-4, 1))
def test_what_is_pending_is_what_the_estimates_say(visits, quiet, at, precision):
    values = [seconds.min() / beside for seconds, beside in visits]
    found = estimate_of(visits, quiet, at)
    assert half_width([ratio_of(visit) for visit in visits], quiet, at) == pytest.approx(found.precision, rel=1e-9)
    if sum(is_quiet(visit, quiet) for visit in visits) == len(visits):
        middle = np.array(quantile_interval(values)) * at * 1e3
        assert (found.ms, found.low, found.high) == tuple(middle)
    samples = samples_of({"a": visits}, [quiet], elapsed=100.0)
    enough = sum(is_quiet(visit, quiet) for visit in visits) >= MIN_QUIET
    exact = samples._estimates(["a"], None)["a"].precision <= precision
    for _ in range(2):
        assert samples.pending(["a"], precision) == ([] if enough and exact else ["a"])


@few
@given(some.lists(some.tuples(some.text(max_size=5), some.tuples(*[MS] * 7), some.integers(1, 99)), max_size=3))
def test_a_table_comes_back_as_it_was_and_an_edited_one_is_refused(table, tmp_path, rows):
    made = replace(table, rows={key: Estimate(*values, rounds) for key, values, rounds in rows})
    made.save(tmp_path / "t.json")
    assert load(tmp_path / "t.json") == made
    value = json.loads((tmp_path / "t.json").read_text())
    value["reference"]["ms"] += 1
    (tmp_path / "t.json").write_text(json.dumps(value))
    with refused("table.changed", InputError):
        load(tmp_path / "t.json")


@given(some.lists(some.integers(0, 10**9), min_size=1, max_size=50).map(tuple))
@few
def test_an_architecture_comes_back_from_its_text(arch):
    assert read_arch(write_arch(arch)) == arch


WEIGHTS = some.dictionaries(
    some.text(min_size=1, max_size=8),
    arrays.arrays(some.sampled_from([np.float32, np.int64, np.bool_]), arrays.array_shapes(min_dims=0, max_side=9)),
    max_size=4,
)


@few
@given(WEIGHTS, some.integers(0, 5))
def test_the_file_has_the_bytes_that_onnx_writes(tmp_path, weights, nodes):
    value = helper.make_tensor_value_info("x" * 200, onnx.TensorProto.FLOAT, ["batch", 3])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], [f"y{n}"]) for n in range(nodes)], "g", [value], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    model.ClearField("producer_name")
    path = onnx_file.write(model, weights, tmp_path / "a.onnx")
    by_onnx = onnx.ModelProto()
    by_onnx.CopyFrom(model)
    by_onnx.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in weights.items())
    assert path.read_bytes() == by_onnx.SerializeToString()
    assert onnx_file.add_weights(model, weights) == by_onnx


def test_no_space_for_a_file_is_one_line(tmp_path, full_disk):
    with full_disk(1000), refused("file.not-written", path=tmp_path / "a.onnx"):
        onnx_file.write(onnx.ModelProto(), {"a": np.zeros(10000)}, tmp_path / "a.onnx")
