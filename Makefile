# `make demo` shows calcore at work; `make test` checks everything. Both set up what they need.
# Python 3.11 or later is all they ask for: choose one with `make PYTHON=python3.12 …`.

SHELL := /bin/bash
# One that cannot make environments is passed over, and one for which libraries have no wheels yet is
# taken only where there is no other.
PYTHON ?= $(shell for next in 15 99; do \
  for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$p -c "import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, $$next))" \
  2>/dev/null && { echo $$p; break 2; }; done; done)
PLUGINS := nircam nirspec niriss miri fgs
PACKAGES := core $(PLUGINS:%=plugins/%)
# What the tests stand on: all packages as they lie here, core with all that it can use.
EDITABLE := -e './core[dask,gaia]' $(PLUGINS:%=-e ./plugins/%)
# One thread for each process of the tests; calcore's own threads are tested where that is the point.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=2

SOURCES := $(shell find core/src plugins/miri/src -type f ! -name '*.pyc' ! -path '*/.*')

USER_ENV := .venv
TEST_ENV := .venv-test
OLDEST_ENV := .venv-oldest
JWST_ENV := .venv-jwst
DEMO := demo
# The reference files that `calcore simulate` makes are found as CRDS finds them, without a network.
DEMO_CRDS := CRDS_PATH=$(DEMO)/raw/crds_cache CRDS_OBSERVATORY=jwst CRDS_READONLY_CACHE=1 \
  CRDS_SERVER_URL=https://crds-serverless-mode.stsci.edu
# How many processes run the tests; each file stays in one of them.
WORKERS ?= 2
# Machine code of the tests lies beside the libraries it was made with: numba keeps one release's only.
PYTEST_IN = $(ONE_THREAD) NUMBA_CACHE_DIR=$(CURDIR)/$(1)/kernels $(1)/bin/pytest -n $(WORKERS) --dist loadfile
PYTEST := $(call PYTEST_IN,$(TEST_ENV))
# Folders whose files take longest come first: short ones then fill what is left to a process.
LONG := $(patsubst %,tests/%/,parity third_party truth fuzz miri nircam)
LONG_FIRST := --no-loadscope-reorder $(LONG) $(filter-out $(LONG),$(sort $(dir $(wildcard tests/*/test_*.py))))
PEER_PYTHON := CALCORE_JWST_PYTHON=$(CURDIR)/$(JWST_ENV)/bin/python

# What leans on libraries: files, coordinates, catalogues, mosaics, pictures, commands, the simulator,
# and one visit from raw exposures to a mosaic.
OLDEST_TESTS := $(wildcard tests/core/test_io_*.py) \
  $(patsubst %,tests/core/test_%.py,assign_wcs associations cli image3_kernels image3_steps model \
  pipeline references_crds report_quicklook simulate_pointing wcs) \
  tests/architecture/test_entry_points.py tests/architecture/test_startup.py \
  tests/miri/test_miri_simulate.py \
  $(patsubst %,tests/miri/test_miri_run.py::test_%,a_folder_becomes_a_mosaic_and_a_catalogue \
  products_say_how_they_were_made)

# Somebody else's packages and pip's other places to install into stay out of our environments.
unexport PYTHONPATH PYTHONHOME
export PIP_USER := 0

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs format unit alone oldest parity truth bench python clean

help:
	@echo 'make demo    set up .venv, simulate a small imaging visit and calibrate it'
	@echo 'make test    linters, types, pages and all tests, in environments of their own'
	@echo 'make lint    linters and types only'
	@echo 'make docs    the pages of docs/ as a site, in build/docs; a warning is an error'
	@echo 'make unit    tests that need neither the reference pipeline nor much time'
	@echo 'make alone   the tests of one plugin, with core and that plugin only: PLUGIN=miri'
	@echo 'make oldest  a part of the tests with the oldest libraries that calcore works with'
	@echo 'make bench   speed and memory beside the reference pipeline'
	@echo 'make clean   remove environments and what the demo made'

python:
	@test -n '$(PYTHON)' || { echo 'calcore needs Python 3.11 or later, with its modules venv and ensurepip (python3-venv on Debian and Ubuntu); none was found. Install one, or name it: make PYTHON=/path/to/python3'; exit 1; }

# Environments. A stamp file says that one is complete; it is made again when a pyproject.toml changes.

$(USER_ENV)/.stamp: core/pyproject.toml plugins/miri/pyproject.toml $(SOURCES) | python
	@test -x $(USER_ENV)/bin/python || $(PYTHON) -m venv $(USER_ENV)
	$(USER_ENV)/bin/python -m pip install --quiet --disable-pip-version-check ./core ./plugins/miri
	@touch $@

$(TEST_ENV)/.stamp: tests/requirements.txt tests/requirements-lint.txt docs/requirements.txt $(PACKAGES:%=%/pyproject.toml) | python
	@test -x $(TEST_ENV)/bin/python || $(PYTHON) -m venv $(TEST_ENV)
	$(TEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check $(EDITABLE) -r tests/requirements.txt -r tests/requirements-lint.txt -r docs/requirements.txt
	@touch $@

# Every library at its lower bound. The bounds are read by a Python that has `packaging`.
$(OLDEST_ENV)/.stamp: $(TEST_ENV)/.stamp tests/oldest.py | python
	@test -x $(OLDEST_ENV)/bin/python || $(PYTHON) -m venv $(OLDEST_ENV)
	$(TEST_ENV)/bin/python tests/oldest.py > $(OLDEST_ENV)/constraints.txt
	$(OLDEST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -c $(OLDEST_ENV)/constraints.txt $(EDITABLE) -r tests/requirements.txt
	@touch $@

$(JWST_ENV)/.stamp: tests/requirements-jwst.txt | python
	@test -x $(JWST_ENV)/bin/python || $(PYTHON) -m venv $(JWST_ENV)
	$(JWST_ENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-jwst.txt
	@touch $@

demo: $(USER_ENV)/.stamp
	@rm -rf $(DEMO)
	$(USER_ENV)/bin/calcore simulate --instrument miri --size small -o $(DEMO)/raw
	$(DEMO_CRDS) $(USER_ENV)/bin/calcore run --instrument miri $(DEMO)/raw -o $(DEMO)/products
	@echo
	@echo 'The mosaic, its catalogue and its picture:'
	@ls -1 $(DEMO)/products/*-o*_i2d.fits $(DEMO)/products/*_cat.ecsv $(DEMO)/products/*-o*_i2d.png

# Checks.

lint: $(TEST_ENV)/.stamp
	$(TEST_ENV)/bin/ruff check .
	$(TEST_ENV)/bin/ruff format --check .
	$(TEST_ENV)/bin/mypy $(PACKAGES:%=%/src)
	$(TEST_ENV)/bin/lint-imports

docs: $(TEST_ENV)/.stamp
	$(TEST_ENV)/bin/sphinx-build -W --keep-going -q -E docs build/docs

format: $(TEST_ENV)/.stamp
	$(TEST_ENV)/bin/ruff check --fix .
	$(TEST_ENV)/bin/ruff format .

unit: $(TEST_ENV)/.stamp
	$(PYTEST) -m 'not parity and not truth'

# One plugin with core and no other of ours: it can be tested, and so released, on its own.
PLUGIN ?= miri
$(TEST_ENV)-$(PLUGIN)/.stamp: tests/requirements.txt core/pyproject.toml plugins/$(PLUGIN)/pyproject.toml | python
	@test -x $(TEST_ENV)-$(PLUGIN)/bin/python || $(PYTHON) -m venv $(TEST_ENV)-$(PLUGIN)
	$(TEST_ENV)-$(PLUGIN)/bin/python -m pip install --quiet --disable-pip-version-check -e './core[dask,gaia]' -e ./plugins/$(PLUGIN) -r tests/requirements.txt
	@touch $@

alone: $(TEST_ENV)-$(PLUGIN)/.stamp
	$(call PYTEST_IN,$(TEST_ENV)-$(PLUGIN)) tests/$(PLUGIN)

oldest: $(OLDEST_ENV)/.stamp
	$(call PYTEST_IN,$(OLDEST_ENV)) $(OLDEST_TESTS)

parity: $(TEST_ENV)/.stamp $(JWST_ENV)/.stamp
	$(TEST_ENV)/bin/python tests/parity/page.py --forget
	$(PEER_PYTHON) $(PYTEST) -m parity
	$(TEST_ENV)/bin/python tests/parity/page.py

truth: $(TEST_ENV)/.stamp
	$(PYTEST) -m truth

test: lint docs oldest $(JWST_ENV)/.stamp
	$(PEER_PYTHON) $(PYTEST) $(LONG_FIRST)

bench: $(TEST_ENV)/.stamp $(JWST_ENV)/.stamp
	$(PEER_PYTHON) $(TEST_ENV)/bin/python -m benchmarks

clean:
	rm -rf $(USER_ENV) $(TEST_ENV) $(OLDEST_ENV) $(JWST_ENV) $(DEMO)
