# `make` builds everything from raw labels to report; `make test` runs all that guards the project.
PYTHON ?= python3
BIN := .venv/bin
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
# Many container images set this. Every process would compile what it imports, and start three times as slowly.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: repro test types tests clean
.DEFAULT_GOAL := repro

repro: .venv/demo
	$(RUN) dvc repro

test: .venv/dev
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	@$(MAKE) --no-print-directory --jobs 2 types tests  # mypy takes a minute of one core

types: .venv/dev
	$(RUN) mypy

# A process more than there are cores computes while another one waits for what its test has started.
tests: .venv/dev
	$(RUN) OMP_NUM_THREADS=1 pytest --dist loadfile --no-loadscope-reorder --numprocesses \
	  $$($(BIN)/python -c 'import os; print(min(6, 1 + (os.cpu_count() or 1)))')

clean:
	rm -rf .venv

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 to 3.13 is needed; try `make PYTHON=python3.11`")'
	$(PYTHON) -m venv .venv

# Python compiles a module when it is first used: only a third of those that are installed are.
.venv/demo: pyproject.toml constraints.txt $(BIN)/python
	@echo "Installing into .venv; PyTorch is large, so this takes some minutes."
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[demo]'
	@touch $@

.venv/dev: .venv/demo
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[demo,dev]'
	@touch $@
