# make            what the targets do
# make demo       the whole workflow on the bundled data
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
CORES ?= 2
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --no-input
TORCH := torch==2.13.0
CONFIGS = $(wildcard configs/*.yaml)
SLURM := slurm-wlm slurmdbd munge mariadb-server
ORACLES := bcftools tabix
BROWSER := chromium
XLA := $(CURDIR)/.venv-xla
export PATH := $(BIN):$(PATH)

.PHONY: help setup demo test test-tpu test-packages clean

help: ## show this list
	@echo 'usage: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 12
	@echo 'settings: PYTHON=python3.12  CORES=4  TORCH_INDEX_URL=... (a package index with the torch build to use)'

setup: $(VENV)/ready-dev ## make .venv with the package and the development tools

demo: $(VENV)/ready ## train, score, explain and report on the bundled data (results/demo)
	@$(BIN)/python workflows/recover.py
	@$(BIN)/snakemake --profile configs/profiles/local --cores $(CORES) --configfile configs/demo.yaml
	@echo; cat results/demo/summary.txt
	@echo 'report: results/demo/report/report.html   every number: results/demo/summary.txt'

test: $(VENV)/ready-dev test-packages ## lint, dry runs, all tests and the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflows
	$(BIN)/snakemake --lint
	@for config in $(CONFIGS); do \
	    echo "dry run: $$config"; \
	    $(BIN)/snakemake --dry-run --quiet --nolock --forceall --cores 1 --configfile "$$config"; \
	done
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --nbmake notebooks

test-tpu: $(XLA)/ready ## hold models and training on an XLA device against the CPU (7.8 GB of packages, no TPU needed)
	PJRT_DEVICE=CPU OMP_NUM_THREADS=1 $(XLA)/bin/python -m pytest -m tpu tests/tpu

# The tests bring up a Slurm of their own, which only root can do, hold VCF files against bcftools, and drive the report
# in Chromium.
test-packages:
	@absent=; for program in slurmctld slurmdbd munged mariadbd bcftools tabix chromium; do \
	    command -v $$program >/dev/null || absent=$$program; \
	done; \
	if [ "$$(id -u)" != 0 ]; then \
	    echo 'not root: the tests on a real Slurm will be skipped, and those with bcftools or chromium where it is missing'; \
	elif [ -z "$$absent" ]; then \
	    true; \
	elif command -v apt-get >/dev/null; then \
	    export DEBIAN_FRONTEND=noninteractive; \
	    apt-get update -q; \
	    apt-get install -y -q --no-install-recommends $(SLURM) $(ORACLES) $(BROWSER); \
	else \
	    echo "no $$absent, and no apt-get to install it: the tests that need it will be skipped"; \
	fi

clean: ## remove .venv, .venv-xla, results and caches
	rm -rf .venv .venv-xla results .snakemake .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are younger than pyproject.toml, so a second run installs nothing. An editable install needs
# no renewal when the sources change.
$(VENV)/ready: pyproject.toml | $(VENV)/bin/python
	$(PIP) $(TORCH) $(if $(TORCH_INDEX_URL),--index-url $(TORCH_INDEX_URL))
	$(PIP) --editable .
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(PIP) --editable '.[dev]'
	@touch $@

# torch_xla is of one release of torch, an older one than the package asks for: its other needs are read from its file.
$(XLA)/ready: pyproject.toml
	$(PYTHON) -m venv $(XLA)
	$(XLA)/bin/python -c 'import tomllib; needs = tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]; \
	    print(*(need for need in needs if not need.startswith("torch")), sep="\n")' >$(XLA)/needs.txt
	$(XLA)/bin/python -m pip --disable-pip-version-check install --no-input 'torch==2.9.*' 'torch_xla==2.9.*' pytest \
	    -r $(XLA)/needs.txt
	$(XLA)/bin/python -m pip --disable-pip-version-check install --no-input --no-deps --editable .
	@touch $@

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	    echo 'python3 is missing: install Python 3.11 or later (Debian: apt-get install python3 python3-venv),' \
	         'or say PYTHON=/path/to/python3' >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$$($(PYTHON) --version) is too old: genomelm needs 3.11 or later; say make PYTHON=python3.12 ..." >&2; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo 'the venv module is missing: install it (Debian and Ubuntu: apt-get install python3-venv)' >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
