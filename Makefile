# `make` alone lists the verbs. Each verb does its own set-up.
.DEFAULT_GOAL := help
.PHONY: help demo test lint docs chromium clean
SHELL := /bin/sh
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	if $$p -c '$(SUITABLE)' 2>/dev/null; then echo $$p; break; fi; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

help:  ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

.venv/made:
	@test -n "$(PYTHON)" || { echo "veridical needs Python 3.11, 3.12 or 3.13, and none was found. Install one, then run make again."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "A virtual environment could not be made. On Debian: apt-get install python3-venv"; exit 1; }
	@touch $@

.venv/demo: .venv/made pyproject.toml constraints.txt
	@echo "Installing into .venv (once)"
	@$(PIP) -e '.[demo]'
	@touch $@

.venv/test: .venv/made pyproject.toml constraints.txt
	@echo "Installing into .venv (once; with PyTorch this takes minutes)"
	@$(PIP) -e '.[test]'
	@touch $@

demo: .venv/demo  ## run the main job on a real corpus; result in runs/demo
	@$(BIN)/veridical demo --out runs/demo

chromium:  ## find or install the browser that the report is tested in
	@for b in chromium chromium-browser google-chrome; do command -v $$b >/dev/null 2>&1 && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing Chromium (once)"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "The tests open the report in Chromium, and it is not installed. Install the package chromium, then run make test again."; exit 1; fi

lint: .venv/test  ## style and types
	@$(BIN)/ruff check src tests benchmarks docs
	@$(BIN)/ruff format --check src tests benchmarks docs
	@$(BIN)/mypy

test: .venv/test chromium lint  ## style, types and all tests, a process for each core, at most four
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

docs: .venv/demo  ## put the figures of runs/demo into the READMEs, and the plug-ins' words into docs/catalogue
	@$(BIN)/python docs/build_catalogue.py
	@$(BIN)/python docs/update_readme.py

clean:  ## remove the environment and caches; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
