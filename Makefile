# make book · make test · make fuzz · make mutants · make lowest · make lab · make pdf · make bench: each sets up what it needs.

PYTHON ?= python3
BIN := .venv/bin
LOWEST := .venv-lowest/bin
SHELL := bash

# Whatever the pages are made of; tests too, since the ledger is read from them.
SOURCES := _config.yml _toc.yml $(shell find book rlbook tests -type f \
	-not -path '*/node_modules/*' -not -path '*/__pycache__/*' -not -path '*/.ipynb_checkpoints/*')

.PHONY: book test fuzz mutants lowest lab pdf bench

book: _build/html/.built
	@echo
	@$(BIN)/python -c 'from pathlib import Path; print("The book is built. Open", Path("_build/html/index.html").absolute().as_uri())'

_build/html/.built: .venv/.ready _build/.extensions $(SOURCES)
	@echo "Building the book; each notebook that has to run says so and how long it took."
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/jupyter-book build . -n -W --keep-going
	@touch $@

# Sphinx does not know that pages depend on its extensions' code. The notebooks' outputs are kept.
_build/.extensions: $(wildcard book/_ext/*.py)
	@rm -rf _build/html _build/.doctrees
	@mkdir -p _build
	@touch $@

test: .venv/.ready
	@$(BIN)/python -m tests.browser
	@PATH="$$PWD/$(BIN):$$PATH" OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

fuzz: .venv/.ready
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.contract 100000

# ARGS="--of bellman/large --count 60": a sample of one room; --again: only those that survived last time.
mutants: .venv/.ready
	@OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python -m tests.mutants $(ARGS)

# The package's tests and the notebooks, with the lowest version of everything that pyproject.toml lets them have.
lowest: .venv-lowest/.ready
	@$(LOWEST)/python -m tests.browser
	@PATH="$(CURDIR)/$(LOWEST):$$PATH" OMP_NUM_THREADS=1 $(LOWEST)/python -m pytest --numprocesses 2 --dist loadfile
	@set -e; for notebook in book/*.ipynb; do \
		echo "Running $$notebook"; TQDM_DISABLE=1 $(LOWEST)/jupyter execute --timeout=600 $$notebook; done

lab: .venv/.ready
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/book/01-reinforce.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

pdf: book
	@$(BIN)/python -m tests.browser
	@$(BIN)/python -m book.pdf

bench: book
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r benchmarks/requirements.txt
	@$(BIN)/python -m tests.browser
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m benchmarks

.venv-lowest/.ready: pyproject.toml tests/lowest.py
	@rm -rf .venv-lowest
	@$(PYTHON) -m venv .venv-lowest
	@$(LOWEST)/python tests/lowest.py notebooks test > .venv-lowest/constraints.txt
	@echo "Installing the lowest versions into .venv-lowest; it takes some minutes."
	@$(LOWEST)/python -m pip install --quiet --disable-pip-version-check \
		-c .venv-lowest/constraints.txt -e ".[notebooks,test]" nbclient
	@touch $@

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("rlbook needs Python 3.11 or later, and $(PYTHON) is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the requirements into .venv; the first time takes some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@mkdir -p .venv/etc/jupyter && cp book/jupyter_nbconvert_config.json .venv/etc/jupyter/
	@touch $@
