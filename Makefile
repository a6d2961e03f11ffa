# From a fresh clone, with Python, git and make alone: `make demo`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
HISTORIES ?= 1000000
SEED ?= $(shell date +%s)
UI_INSTALLED := $(VENV)/.ui-installed
LOCK_INSTALLED := $(VENV)/.lock-installed
PRESENT_PYTHON = $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help install database demo up test bench conformance simulate fuzz chaos ui-test cluster-test outage-test secure-test lint format types contracts definitions job
.PHONY: pack snapshot reference docs docs-links diagrams screenshots dist wheel-test lock ci clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything that running and developing need

demo: database $(INSTALLED) ## Process the sample data on this machine, show what came of it, and stop
	@$(BIN)/recurrence demo

up: database $(INSTALLED) ## Run the whole system on this machine until Ctrl-C; its data stay in .recurrence
	@$(BIN)/recurrence up

test: $(INSTALLED) ## Run the tests
	@$(BIN)/pytest

bench: $(INSTALLED) ## Measure it all, for 45 minutes; ONLY=--quick sees in minutes that it works, ONLY=slots takes one part
	@$(BIN)/python -m benchmarks $(ONLY)

conformance: $(INSTALLED) ## Hold how rules are read against the RFCs, dateutil and peers: docs/conformance.md; ONLY=--quick takes seconds
	@$(BIN)/python -m conformance $(ONLY)

simulate: $(INSTALLED) ## Hold the planner's invariants against a million short random histories: an hour on 2 cores; HISTORIES=10000, SEED=7
	@$(BIN)/recurrence simulate --histories $(HISTORIES) --seed $(SEED)

fuzz: $(INSTALLED) ## Send the internal API odd requests for some minutes (the tests do so for seconds)
	@RECURRENCE_FUZZ_EXAMPLES=2000 $(BIN)/pytest -n 0 recurrence_pipeline_tests/api/test_fuzz.py

chaos: $(INSTALLED) ## Kill and freeze workers, Dagster and the database for minutes, then check the data (the tests do so for seconds)
	@$(BIN)/python -m recurrence_pipeline_tests.chaos

ui-test: $(UI_INSTALLED) ## Look at Dagster's UI and at the pages of series with a headless Chromium (apt install chromium)
	@$(BIN)/pytest -n 0 -m ui recurrence_pipeline_tests/ui

cluster-test: $(INSTALLED) ## Three hosts process backlogs together, and two of them are lost (root, apt install postgresql redis-server)
	@$(BIN)/python -m recurrence_pipeline_tests.cluster

outage-test: $(INSTALLED) ## PostgreSQL, Redis and hosts go away under load, for half an hour; ONLY="redis_full redis_empty" (as cluster-test)
	@$(BIN)/python -m recurrence_pipeline_tests.cluster.outages $(ONLY)

secure-test: $(INSTALLED) ## Run a whole system with TLS and passwords everywhere (apt install postgresql redis-server)
	@$(BIN)/pytest -n 0 -m secure recurrence_pipeline_tests/secure recurrence_pipeline_tests/storage/test_secured.py

lint: $(INSTALLED) ## Check style and format
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

format: $(INSTALLED) ## Fix what can be fixed of style and format
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: $(INSTALLED) ## Check the types
	@$(BIN)/mypy

contracts: $(INSTALLED) ## Check that imports point one way
	@$(BIN)/lint-imports

definitions: $(INSTALLED) ## Check that Dagster can load the definitions, by dg.toml and by workspace.yaml
	@$(BIN)/dg check toml
	@$(BIN)/dg check defs
	@PYTHONWARNINGS='ignore:Function `definitions_validate_command` is superseded' $(BIN)/dagster definitions validate

job: $(INSTALLED) ## Execute the job by hand, on a throwaway database that holds the sample data
	@$(BIN)/python scripts/execute_job.py

snapshot: $(INSTALLED) ## Write anew what Dagster shows of the definitions, after a change that is meant: a test holds them to it
	@$(BIN)/python -m scripts.definitions_snapshot

reference: $(INSTALLED) ## Write docs/reference from the code
	@$(BIN)/python -m scripts.reference

docs: $(INSTALLED) ## Build the documentation as a site that works offline, into docs/_build/html
	@$(BIN)/python -m scripts.reference --check
	@rm -rf docs/_build
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

docs-links: $(INSTALLED) ## Ask every address outside that the documentation links to (needs the network)
	@$(BIN)/sphinx-build -q -b linkcheck docs docs/_build/links

diagrams: $(UI_INSTALLED) ## Draw docs/images/*.svg from their Mermaid sources (needs npm, the network and Chromium)
	@$(BIN)/python -m scripts.diagram

screenshots: $(UI_INSTALLED) ## Take the pictures of the UI in docs/images anew (needs Chromium; a minute or two)
	@$(BIN)/pytest -n 0 -m ui recurrence_pipeline_tests/ui -k 'a_run_shows or health_of_the_worker or picture or would_happen'
	@$(BIN)/python -m scripts.screenshots

dist: $(INSTALLED) ## Build the sdist, and the wheel from it, into dist
	@rm -rf dist
	@$(BIN)/python -m build --no-isolation --outdir dist .

wheel-test: dist ## Install the wheel into an empty environment and run its demo in an empty folder (a few minutes)
	@PYTHON=$(PYTHON) scripts/try_wheel

pack: ## Pack the Mongoose plugin (clients/mongoose) into dist (needs npm, and says so where there is none)
	@if command -v npm >/dev/null; then mkdir -p dist && npm pack --silent --pack-destination dist ./clients/mongoose; \
	  else echo "LEFT OUT: npm is not installed, so clients/mongoose was not packed, and tests that need Node are skipped"; fi

lock: $(LOCK_INSTALLED) ## Write requirements.lock anew: each package with its hashes, for Python 3.11 on Linux
	@$(BIN)/uv pip compile --quiet --upgrade --extra embedded --extra distributed --extra report --python-version 3.11 --python-platform x86_64-manylinux_2_28 \
	  --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
	  --output-file requirements.lock pyproject.toml

ci: ## Run every check, as the CI does
	@.ci/run

clean: ## Remove .venv and what tools left; what `make up` keeps in .recurrence stays
	@rm -rf $(VENV) dist docs/_build .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .recurrence/demo
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Before minutes of installing: the embedded database has no wheels for newer Pythons.
database:
	@test -n "$$MONGODB_URL" || $(PRESENT_PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 14))' || \
	  { echo "$(PRESENT_PYTHON) is Python 3.14 or newer, for which there is no embedded database: use 3.11 to 3.13 (make clean, then make PYTHON=python3.13 ...), or set MONGODB_URL"; exit 1; }

# A failed installation leaves no stamp, so that the next one begins again.
$(INSTALLED): pyproject.toml
	@$(PRESENT_PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed (3.11 to 3.13 with the embedded database), and $(PRESENT_PYTHON) is older: make PYTHON=python3.13 ..."; exit 1; }
	@echo "Installing into $(VENV), which takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(UI_INSTALLED): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,ui]'
	@touch $@

$(LOCK_INSTALLED): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,lock]'
	@touch $@
