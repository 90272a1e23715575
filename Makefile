# What a developer runs. A machine needs Python 3.11 or newer, and make; the rest comes into .venv.

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# Arguments with which a Python tells whether it will do. Without ensurepip (Debian: python3-venv)
# it cannot make a virtual environment.
WILL_DO := -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
	</dev/null >/dev/null 2>&1

# Each is tried, not only looked up: some machines have a python3.13 that only says what is missing.
first_python = $(shell for python in $(1); do $$python $(WILL_DO) && { echo $$python; break; }; done)

PYTHON ?= $(call first_python,python3.13 python3.12 python3.11 python3)
# The oldest one, so that what it pins fits the newer ones too.
PINS_PYTHON ?= $(call first_python,python3.11 python3.12 python3.13 python3)
must_do = { $(1) $(WILL_DO) || { echo "$$NO_PYTHON" >&2; exit 1; }; }
PURSER_FAULT_ROUNDS ?= 200

define NO_PYTHON
Purser needs Python 3.11 or newer with its venv module (on Debian: apt install python3-venv).
It is looked for as python3.13, python3.12, python3.11 and python3. If it has another name:
    make PYTHON=/path/to/python3 ...
endef
export NO_PYTHON

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve bench test test-fast faults lint lint-python lint-protos format gen pins clean

help: ## Show this table
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## Play a casino's story against a server of its own
	$(BIN)/purser demo

serve: $(INSTALLED) ## Run the server on 127.0.0.1:50051 with a PostgreSQL of its own
	$(BIN)/purser serve

bench: $(INSTALLED) ## Measure this machine, with pgbench beside (BENCH="--size 10000000 --players 1000000")
	$(BIN)/purser bench --json bench.json $(BENCH)

# Three at a time, for many tests wait for something; each has a PostgreSQL and servers of its own.
# Tests of one file stay together.
SIDE_BY_SIDE := -n 3 --dist loadfile

test: $(INSTALLED) ## Run the whole test suite
	$(BIN)/pytest $(SIDE_BY_SIDE)

test-fast: $(INSTALLED) ## Run the tests that take no more than a few seconds each
	$(BIN)/pytest $(SIDE_BY_SIDE) -m 'not slow'

# A bound of its own: one test of the long run may take far longer than any other test may.
faults: $(INSTALLED) ## Run the fault tests for long (PURSER_FAULT_ROUNDS, default 200)
	PURSER_FAULT_ROUNDS=$(PURSER_FAULT_ROUNDS) $(BIN)/pytest --timeout=7200 tests/faults

lint: lint-python lint-protos ## Check style, types, walls between rooms, protos and generated code

lint-python: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy scripts/gen.py
	$(BIN)/mypy scripts/unasync.py
	$(BIN)/mypy -p scripts.reference
	$(BIN)/lint-imports

# The protos of the main branch are unpacked first: that works in worktrees and shallow clones too.
lint-protos: $(INSTALLED)
	$(BIN)/buf lint
	$(BIN)/buf format -d --exit-code
	@for branch in main origin/main; do \
		git cat-file -e $$branch:protos 2>/dev/null || continue; \
		base=$$(mktemp -d); trap 'rm -rf "$$base"' EXIT; \
		git archive $$branch buf.yaml protos | tar -x -C "$$base" || exit; \
		echo "$(BIN)/buf breaking, against $$branch"; \
		$(BIN)/buf breaking --against "$$base"; exit; \
	done; \
	echo "buf breaking is left out: git shows no main branch with protos here"
	$(BIN)/python scripts/gen.py --check
	$(BIN)/python scripts/unasync.py --check
	$(BIN)/python -m scripts.reference --check

format: $(INSTALLED) ## Bring Python and protos into their form
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format
	$(BIN)/buf format -w

gen: $(INSTALLED) ## Generate stubs and reference from protos/, and the synchronous client's verbs
	$(BIN)/python scripts/gen.py
	$(BIN)/python scripts/unasync.py
	$(BIN)/python -m scripts.reference

pins: ## Renew constraints.txt: the newest versions that pyproject.toml allows
	@$(call must_do,$(PINS_PYTHON))
	@set -e; new=$$(mktemp -d); trap 'rm -rf "$$new"' EXIT; \
	echo "Installing the newest versions with $(PINS_PYTHON): this takes a minute or two"; \
	$(PINS_PYTHON) -m venv "$$new/venv"; \
	"$$new/venv/bin/python" -m pip install --quiet --disable-pip-version-check '.[dev]'; \
	echo "# Exact versions of everything that '.[dev]' installs, for pip's -c; renew with: make pins" \
		>"$$new/constraints.txt"; \
	"$$new/venv/bin/python" -m pip freeze --all --exclude pip --exclude purser \
		>>"$$new/constraints.txt"; \
	cp "$$new/constraints.txt" constraints.txt

clean: ## Remove caches and built packages (.venv stays)
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .coverage dist
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +

# The stamp is newer than its sources only after an installation that came to its end.
$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing Purser and its tools into $(VENV): the first time takes a minute or two"
	@$(BIN)/python $(WILL_DO) || { $(call must_do,$(PYTHON)) && $(PYTHON) -m venv --clear $(VENV); }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
