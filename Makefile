# Everything sets itself up: `make demo` or `make test` is enough on a fresh clone. `make help` lists the targets.
#
# One environment serves all targets: the demo needs torch, Transformers and the rest anyway, which is nearly all of the
# installation, and the development tools add seconds to it.

PYTHON ?= python3#     3.11 or newer
VENV ?= .venv
JOBS ?= 4#             at most this many test processes, one for each core
PYTEST_ARGS ?=#        for example PYTEST_ARGS="-k incidence"
DEMO_ARGS ?=#          for example DEMO_ARGS="--quiet"


bin := $(VENV)/bin
ready := $(VENV)/.ready

# Tests run one process a core: more threads in each would only fight for them.
pytest := OMP_NUM_THREADS=1 $(bin)/pytest -n logical --maxprocesses $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint style types imports docs check thorough bench clean
.SILENT:

help: ## list the targets
	grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12

setup: $(ready) ## create the environment and install everything (done by the others when needed)

# Redone only when the requirements change; a half-made environment leaves no stamp.
$(ready): pyproject.toml constraints.txt
	command -v $(PYTHON) >/dev/null || { echo "walras: $(PYTHON) not found. Install Python 3.11 or newer, or: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "walras needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Choose another: make PYTHON=/path/to/python"; exit 1; }
	test -x $(bin)/python || { echo "walras: creating $(VENV) with $$($(PYTHON) -V)"; $(PYTHON) -m venv $(VENV); } || { echo "walras: no virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	echo "walras: installing into $(VENV) (torch and Transformers: about two minutes)"
	$(bin)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@
	echo "walras: installed"

demo: $(ready) ## study a mechanism in isolation and inside a small Transformer, and write a report
	$(bin)/walras study $(DEMO_ARGS)

test: $(ready) ## run the tests, docstrings and documentation pages included
	echo "walras: tests, docstrings and documentation pages"
	$(pytest) $(PYTEST_ARGS)

lint: style types imports ## check format, style, types and the direction of imports

style: $(ready)
	echo "walras: format and style (ruff)"
	$(bin)/ruff format --check --quiet .
	$(bin)/ruff check --quiet .

types: $(ready)
	echo "walras: types (mypy)"
	$(bin)/mypy --no-error-summary

imports: $(ready)
	echo "walras: direction of imports (import-linter)"
	$(bin)/lint-imports --no-logo

docs: $(ready) ## build the documentation into site/
	echo "walras: documentation (mkdocs)"
	# Not --quiet: with it, warnings would neither show nor fail the build.
	NO_MKDOCS_2_WARNING=1 $(bin)/mkdocs build --strict
	echo "walras: read site/index.html; with search: $(bin)/mkdocs serve"

check: lint docs test ## the whole gate: lint, docs, test

thorough: $(ready) ## run the property tests with many more examples
	echo "walras: property tests, thorough"
	$(pytest) -m thorough $(PYTEST_ARGS)

bench: $(ready) ## time the compiled market beside its peers (more in benchmarks/README.md)
	$(bin)/python benchmarks/capacity_operator.py

clean: ## remove the environment, caches and built pages
	rm -rf $(VENV) site build dist src/*.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
