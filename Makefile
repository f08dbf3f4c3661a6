# Two commands for most people: `make demo` shows the main job on real video, `make test` is the whole check.
# Everything lands in .venv and, for the demo, in demo/; nothing is installed outside.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --constraint constraints.txt

# An index that has the CPU build of torch, where the configured one does not (see README, "Installing").
TORCH_INDEX ?=
# Give the name of another build, or `torch` for the index's own, CUDA packages included.
TORCH ?=

VIDEOS ?=
QUERY ?=
DEMO ?= demo

.PHONY: help demo setup test check format clean
.DEFAULT_GOAL := help

help:
	@echo "make demo                              the main job on freely licensed clips"
	@echo "make demo VIDEOS=~/Videos QUERY=x.mp4  the same on your own"
	@echo "make setup                             the environment in $(VENV), with the recue command"
	@echo "make test                              every check: lint, types, layers, tests"
	@echo "make check                             the same without the tests"
	@echo "make format                            format the code"
	@echo "make clean                             remove caches and the demo, keep $(VENV)"

demo: setup
ifneq ($(strip $(VIDEOS)),)
	@# "No match" (1) is an answer here, not a failure.
	@$(BIN)/recue demo --out "$(DEMO)" --videos "$(VIDEOS)" $(if $(strip $(QUERY)),--query "$(QUERY)") || [ $$? -eq 1 ]
else
	@$(BIN)/recue demo --out "$(DEMO)"
endif

setup: $(VENV)/.installed

# The environment, with the interpreter checked first: a wrong one fails late and obscurely otherwise.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "recue needs Python 3.11, 3.12 or 3.13; there is no '$(PYTHON)'. On Debian: apt install python3 python3-venv." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "recue needs Python 3.11, 3.12 or 3.13; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Choose one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments. On Debian: apt install python3-venv" >&2; \
	  exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# torch first and alone, in its CPU build: a plain `torch` would bring gigabytes of CUDA packages on most indexes.
$(VENV)/.torch: $(VENV)/.made constraints.txt tools/install_torch.sh
	@TORCH="$(TORCH)" TORCH_INDEX="$(TORCH_INDEX)" sh tools/install_torch.sh $(BIN)/python
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml
	@echo "Installing recue ..."
	@$(PIP) --editable '.[research]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed Makefile
	@echo "Installing what the checks need ..."
	@$(PIP) --editable '.[dev,onnx,bench,research]'
	@touch $@

check: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/pytest

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
