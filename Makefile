# Two commands on a fresh machine: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Threads are pinned: on a busy machine, more threads than cores make numerics many times slower.
THREADS ?= 2
# Idle threads sleep instead of spinning: beside another process, spinning costs more than it saves.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup demo test nightly mutations check format bench golden clean

help:
	@echo "make setup   a virtual environment in $(VENV) with everything, versions from constraints.txt"
	@echo "make demo    train, unlearn and audit on real purchases; writes fedshare-demo/report.html"
	@echo "make test    all tests; properties on a hundred examples each"
	@echo "make nightly all tests; properties on a thousand examples each, other ones every time"
	@echo "make mutations  known bugs, put in one at a time: do the tests notice?"
	@echo "make check   ruff, pyright, import-linter"
	@echo "make format  ruff format and fixes"
	@echo "make bench   the short benchmarks"
	@echo "make clean   remove the environment and the demo's output"

# The stamp is newer than what the environment was made from, or the environment is made again.
$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

setup: $(VENV)/.ready

demo: setup
	$(BIN)/fedshare demo --out fedshare-demo --threads $(THREADS)

test: setup
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest

mutations: setup
	OMP_NUM_THREADS=$(THREADS) $(BIN)/python scripts/mutations.py

nightly: setup
	HYPOTHESIS_PROFILE=nightly OMP_NUM_THREADS=$(THREADS) $(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python benchmarks/round_cost.py

clean:
	rm -rf $(VENV) fedshare-demo
