"""What the small helpers answer at their edges."""

import importlib
import json
import signal
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
import typer
from pydantic import ValidationError

from hwnas.cli.app import share_or_none, share_or_path
from hwnas.compare.comparison import _constants
from hwnas.config import _key, _says
from hwnas.errors import InputError
from hwnas.interrupt import deferred_interrupt
from hwnas.lazy import submodules
from hwnas.output import table_text
from hwnas.pipeline.check_space import check_space, derive, require_runs
from hwnas.pipeline.predict import predict
from hwnas.pipeline.train import train_many
from hwnas.references import load_file, reported
from hwnas.search import legacy
from hwnas.search.config import SearchConfig, spelled_part
from hwnas.search.decision import require_any
from hwnas.search.initial import read_network
from hwnas.search.request import Request
from hwnas.strategies.method import wrap_class
from hwnas.testing import refused


def interrupted(times: int) -> list[bool]:
    """Come to the end of a body that Ctrl-C comes to so often; what it was told after each."""
    told = []
    with suppress(KeyboardInterrupt), deferred_interrupt() as came:
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
            told.append(came())
        told.append(came())
    return told


def test_a_second_ctrl_c_is_not_held_back():
    before = signal.getsignal(signal.SIGINT)
    assert interrupted(2) == [True]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_held_back_until_the_body_is_done():
    assert interrupted(1) == [True, True]
    assert interrupted(0) == [False]


def test_outside_the_main_thread_nothing_is_held_back():
    seen = []

    def body():
        with deferred_interrupt() as came:
            seen.append(came())

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [False]


def test_a_lazy_package_has_only_its_modules():
    get, names = submodules("json", json.__path__)
    assert get("decoder").__name__ == "json.decoder"
    assert {"decoder", "loads"} <= set(names())
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        get("nothing")


def test_a_table_leaves_out_what_is_none():
    text = table_text([{"a": None, "b": "x"}])
    assert "x" in text
    assert "None" not in text


@pytest.mark.parametrize(
    ("text", "value", "same"), [("1e-1", 0.1, True), ("True", True, True), ("a", "b", False), ("1", None, False)]
)
def test_a_setting_says_the_value_of_an_option(text, value, same):
    assert _says(text, value) == same


def test_a_key_is_without_the_kind_of_an_entry():
    assert _key(("limits", 0, "latency", "table"), ["limits.table"]) == "limits.table"
    assert _key(("limits", 0, "latency", "nothing"), ["limits.table"]) == "limits.nothing"


def test_a_check_of_no_network_is_refused():
    with refused("space.check"):
        check_space("mobilenet_v2", networks=0)


def test_blocks_that_do_not_fit_are_named_with_their_network():
    class Misfit:
        name = "misfit"

        def derive(self, arch):
            raise ValueError("too narrow")

    with refused("space.does-not-fit", space="misfit", arch="1-2"):
        derive(Misfit(), (1, 2))


def test_no_architecture_is_no_prediction(tmp_path):
    with refused("predict.nothing"):
        predict(tmp_path, [])


def test_no_job_trains_nothing():
    assert train_many([]) == []


def test_an_input_error_of_a_part_keeps_its_code():
    with refused("a.b", key=1), reported("strategies", "mine.py:it"):
        raise InputError("wrong", code="a.b", key=1)


def test_a_part_is_a_mapping_or_left_to_the_check():
    assert spelled_part(3) == 3
    assert spelled_part("name") == {"name": "name"}
    assert spelled_part(None) == {}


def test_no_finalist_is_refused():
    with pytest.raises(InputError, match="predicted to use 3 ms"):
        require_any([], 3.0)


def test_half_a_request_is_refused(tmp_path):
    with refused("search.request", path=str(tmp_path)):
        Request.parse({"config": {}}, tmp_path)


def test_a_configuration_that_is_no_mapping_is_refused():
    with pytest.raises(ValidationError, match="valid dictionary"):
        SearchConfig.model_validate(3)


def test_a_strategy_of_gradients_is_not_compared_by_a_table():
    with refused("compare.gradient", strategy="darts"):
        _constants("darts", {})


def test_a_class_without_docstring_is_called_by_its_name():
    class Bare:
        def propose(self):
            return []

    assert wrap_class(Bare).kind == "black box"


def test_weights_without_their_network_are_refused(tmp_path):
    (tmp_path / "weights.pt").touch()
    with refused("initial.no-network"):
        read_network(str(tmp_path / "weights.pt"), 2, 32)


@pytest.mark.parametrize("value", [None, [], {"search": {}}, {"search": {"schedule": {}}, "length": {}, "begun": {}}])
def test_an_old_request_that_is_not_whole_is_none(value):
    assert legacy.request_without_schema(value, SimpleNamespace(config=None)) is None


def test_old_constants_go_to_their_parts():
    config = SimpleNamespace(evaluator=SimpleNamespace(constants={"accuracies": "file.csv"}))
    asked = {
        "strategy": "darts", "objective": "lagrangian", "evaluator": "table", "learns": False, "accuracies": "digest",
        "constants": {"order": 2, "objective.rate": 1.0, "evaluator.held": 0.5},
    }  # fmt: skip
    parts = legacy._parts(asked, config)
    assert parts["strategy"] == {"name": "darts", "constants": {"order": 2}}
    assert parts["objective"]["constants"] == {"rate": 1.0}
    assert parts["evaluator"] == {
        "name": "table",
        "constants": {"validation_share": 0.5, "accuracies": "file.csv"},
    }


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), ("0%", 0.0), ("3%", 0.03), ("0.5", 0.5)])
def test_a_share_is_read_of_percents_and_fractions(text, value):
    assert share_or_none(text) == pytest.approx(value)
    assert share_or_path(text) == pytest.approx(value)


def test_a_path_that_is_there_is_no_share(tmp_path):
    assert share_or_path(str(tmp_path)) == tmp_path


@pytest.mark.parametrize("text", ["100%", "many", "-1"])
def test_what_is_neither_a_share_nor_a_folder_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is neither"):
        share_or_path(text)


def test_a_file_that_is_no_python_is_no_module(tmp_path):
    (tmp_path / "part.txt").touch()
    with pytest.raises(ImportError, match="no file of Python"):
        load_file(tmp_path / "part.txt")


def test_a_graph_that_onnxruntime_refuses_is_named_with_its_network(monkeypatch):
    def broken(net):
        raise ValueError("no\n  such operator")

    monkeypatch.setattr(importlib.import_module("hwnas.pipeline.check_space"), "graph", broken)
    with refused("space.does-not-run", network="mine"):
        require_runs(SimpleNamespace(name="mine", resolution=8, classes=2))
