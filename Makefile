# `make demo` and `make test` do all the set-up on a machine that has Python 3.11 or newer and nothing else.
# Settings: PYTHON=python3.12, VENV=/elsewhere, ARGS="what the command is to be given", WORKERS="-n 0" for one process.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
WORKERS ?= -n auto --maxprocesses 4 --dist loadfile
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip

.DEFAULT_GOAL := help
.PHONY: help demo test check bench peers soak clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(VENV)/demo.stamp ## watch a simulated payment stream: train, score, alert (ARGS="--data FILE.parquet --label COLUMN")
	$(BIN)/eddyline demo $(ARGS)

test: $(VENV)/dev.stamp ## run the tests (ARGS="tests/detectors -k vae")
	$(BIN)/python -m pytest $(WORKERS) $(ARGS)

check: $(VENV)/dev.stamp ## what must pass before a commit, besides the tests: style, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy scripts/*.py
	$(BIN)/lint-imports

bench: $(VENV)/dev.stamp ## measure speed and detection (ARGS="scoring")
	$(BIN)/python -m bench $(ARGS)

peers: .peers/stamp ## an environment of their own for the detectors that benchmarks compare with

.peers/stamp: bench/peers/requirements.txt
	$(PYTHON) -m venv .peers
	.peers/bin/python -m pip install -r bench/peers/requirements.txt
	@touch $@

soak: $(VENV)/dev.stamp ## the long tests: a hundred kills under load
	$(BIN)/python -m pytest -m soak --timeout 3600 $(ARGS)

clean: ## remove the environment and everything that was built
	rm -rf $(VENV) .peers build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is newer than what it was installed from, so an unchanged environment costs nothing.
$(VENV)/demo.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[demo]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[demo,dev]'
	@touch $(VENV)/demo.stamp $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Eddyline needs Python 3.11 or newer; name one with PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' \
		|| { echo "this Python cannot make environments: apt-get install python3-venv, or PYTHON=another"; exit 1; }
	$(PYTHON) -m venv $(VENV)
