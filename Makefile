# `make demo` and `make test` do all set-up on a fresh machine: a virtual environment in .venv with the tested versions.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test coverage lint bench clean

demo: .venv/installed
	$(BIN)/hwnas demo

# What measures this machine runs by itself afterwards: tests beside it would slow what it times. To look for it in all
# files of tests, which are imported for that, takes longer than some of it.
SERIAL = $$(grep -rl --include "test_*.py" "mark\.serial" tests)
test: .venv/installed
	$(BIN)/python -m pytest -m "not serial" -n auto --maxprocesses 8 --dist worksteal --durations 10 || failed=1; \
	$(BIN)/python -m pytest -m serial --durations 10 $(SERIAL) || failed=1; \
	exit $${failed:-0}

# Lines and branches of hwnas/ that the tests run in their own processes; what they start beside is not counted.
COVERAGE := --cov hwnas --cov-branch --cov-report
coverage: .venv/installed
	$(BIN)/python -m pytest -m "not serial" -n auto --maxprocesses 8 --dist worksteal $(COVERAGE)= || failed=1; \
	$(BIN)/python -m pytest -m serial $(COVERAGE)=term:skip-covered --cov-append $(SERIAL) || failed=1; \
	exit $${failed:-0}

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python benchmarks/profile.py
	$(BIN)/python benchmarks/cpu_predictor.py
	$(BIN)/python benchmarks/disturbance.py
	$(BIN)/python benchmarks/ssh.py
	$(BIN)/python benchmarks/supernet_step.py
	$(BIN)/python benchmarks/accelerator.py
	$(BIN)/python benchmarks/input_pipeline.py

clean:
	rm -rf .venv runs build dist

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
