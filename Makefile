# Two commands do everything: `make run` (set-up and a running node) and `make test` (set-up and all tests).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= auto
ARGS ?=
SEEDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help run test check lint type layers bench smoke simcheck lock clean

help: ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.run: pyproject.toml tools/locks/run.txt
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)" run
	@touch $@

$(VENV)/.dev: pyproject.toml tools/locks/dev.txt
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)" dev
	@touch $@ $(VENV)/.run

run: $(VENV)/.run ## set up and run a node in the foreground (ARGS="--name alice")
	@exec $(BIN)/meshnode run $(ARGS)

test: $(VENV)/.dev ## set up and run all tests (ARGS="-k session")
	@$(BIN)/python -m pytest -q -n $(JOBS) $(ARGS)

check: test lint type layers smoke simcheck ## everything that CI runs

lint: $(VENV)/.dev ## ruff: rules and format
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

type: $(VENV)/.dev ## pyright, strict, on the whole tree
	@$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(VENV)/.dev ## imports run downhill
	@$(BIN)/lint-imports

smoke: $(VENV)/.dev ## start real daemons and let them talk
	@$(BIN)/python tools/smoke.py

simcheck: $(VENV)/.dev ## the same seed in several processes, and a storm of seeds
	@$(BIN)/python -m sim selfcheck
	@$(BIN)/python -m sim selfcheck city --set nodes=40 --set 'baselines=[]'
	@$(BIN)/python -m sim storm determinism --seeds 4 --set node.directory.listed=false
	@$(BIN)/python -m sim storm churn --nodes 50 --set storm_s=60 --set calm_s=50 --set crypto=hash \
		--set node.directory.listed=false --seeds $(SEEDS)

bench: $(VENV)/.dev ## measure, side by side with what else is installed
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/.dev ## renew the locked dependencies
	@sh tools/lock.sh "$(BIN)"

clean: ## remove the environment and caches
	@rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
