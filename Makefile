# `make help` lists what there is; each sets up what it needs.

PYTHON ?= python3
BIN := .venv/bin
LOWEST := .venv-lowest/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SHELL := bash

# Whatever the pages are made of; tests too, since the ledger is read from them.
SOURCES := _config.yml _toc.yml $(shell find book rlbook tests -type f \
	-not -path '*/node_modules/*' -not -path '*/__pycache__/*' -not -path '*/.ipynb_checkpoints/*')

# What tests run with. The processes take them as tests/conftest.py says, the slow ones first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup
# Without these there is no need of a browser; with all tests there is.
BROWSERLESS := tests/derivations% tests/neural% tests/numerics% tests/package%
NAMED := $(filter tests%,$(ARGS))

.PHONY: book test help fuzz mutants lowest lab pdf epub notebooks handout bench studies

book: _build/html/.built  ## run the notebooks that have changed, build the pages, print where to open them
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

test: .venv/.ready  ## check every claim, and the pages in real browsers; ARGS="tests/numerics -k bellman": a part
ifneq ($(or $(if $(NAMED),,all),$(filter-out $(BROWSERLESS),$(NAMED))),)
	@$(BIN)/python -m book.tools.browser
endif
	@PATH="$$PWD/$(BIN):$$PATH" $(PYTEST) $(ARGS)

help:  ## print these lines
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

fuzz: .venv/.ready  ## call every function with 100,000 hostile arguments
	@OMP_NUM_THREADS=1 $(BIN)/python -m tests.contract 100000

mutants: .venv/.ready  ## change the numerics, one line at a time, and see whether tests notice
	@OMP_NUM_THREADS=1 nice -n 10 $(BIN)/python -m tests.mutants $(ARGS)

lowest: .venv-lowest/.ready  ## test the package and run the chapters with the lowest versions of all that they need
	@$(LOWEST)/python -m book.tools.browser
	@PATH="$(CURDIR)/$(LOWEST):$$PATH" $(PYTEST:$(BIN)/%=$(LOWEST)/%)
	@set -e; for notebook in book/*.ipynb; do \
		echo "Running $$notebook"; TQDM_DISABLE=1 $(LOWEST)/jupyter execute --timeout=600 $$notebook; done

lab: .venv/.ready  ## open the chapters in JupyterLab
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/book/01-reinforce.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

pdf: book  ## print the whole book into one file
	@$(BIN)/python -m book.tools.browser
	@$(BIN)/python -m book.pdf

epub: book  ## write the whole book for e-readers, as one ePub
	@$(BIN)/python -m book.tools.browser
	@$(BIN)/python -m book.epub

notebooks: book  ## write the chapters as notebooks that read right everywhere, with the page's numbers
	@$(BIN)/python -m book._ext.plain $@

handout: book  ## write the same with the solutions left out and room for answers
	@$(BIN)/python -m book._ext.plain $@

bench: book  ## print the comparisons with other tools
	@$(INSTALL) -r requirements.txt -r benchmarks/requirements.txt
	@$(BIN)/python -m book.tools.browser
	@PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python -m benchmarks

studies: .venv/.ready  ## run the larger studies anew, minutes on all cores; finished runs are kept in _build/studies
	@$(BIN)/python -m book.studies

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
	@echo "Installing the requirements into .venv; the first time takes a minute or more."
	@$(INSTALL) "$$(grep '^uv==' requirements.txt)" \
		&& $(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt \
		|| { echo "uv cannot install them here; pip does it, which takes longer."; $(INSTALL) -r requirements.txt; }
	@mkdir -p .venv/etc/jupyter && cp book/jupyter_nbconvert_config.json .venv/etc/jupyter/
	@touch $@
