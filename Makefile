# Everything a person or a CI needs; bare `make` explains the targets. Works with GNU make 3.81 (macOS) and later.
#
# A private virtual environment is made in .venv (VENV=folder uses another), with PYTHON (default python3).

PYTHON ?= python3
VENV ?= .venv
RUN_DIR ?= .run
PYTEST_ARGS ?=
BENCH_ARGS ?=
FUZZ_SECONDS ?= 600
STORM_ARGS ?=
REPLICAS ?= 4
SECONDS ?= 180
CLUSTER ?= none
FAULTS_ARGS ?=
LOCKED ?= yes

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

# for every platform and each Python from 3.11 on, whatever this machine has
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --generate-hashes --no-annotate --no-emit-index-url

export RUN_DIR

.DEFAULT_GOAL := help
.PHONY: help venv run demo test test-mariadb test-mysql programs check coverage format bench storm faults fuzz replicas wheel
.PHONY: secrets lock clean

help: ## Show this list
	@echo "Observer: alerts become incidents that people handle in Slack."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "Settings: PORT, SANDBOX_PORT, RUN_DIR, VENV, PYTHON, LOCKED, TEST_DB_URL, PYTEST_ARGS, for example"
	@echo "  make run PORT=8001 SANDBOX_PORT=8011    make test PYTEST_ARGS='-k acknowledge'"

run: $(STAMP) ## Run everything on this machine: database, sandbox Slack, Observer (Ctrl-C stops all)
	@exec $(BIN)/python -m manifests.laptop.run

demo: $(STAMP) ## Send a small story of sample alerts to the running Observer
	@$(BIN)/python -m manifests.laptop.demo

test: $(STAMP) programs ## Run all tests on a private database server, or on TEST_DB_URL
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

test-mariadb: $(STAMP) programs ## Run all tests on a private MariaDB
	@TEST_DB_URL= TEST_DB_KIND=mariadb $(BIN)/python -m pytest $(PYTEST_ARGS)

test-mysql: $(STAMP) programs ## Run all tests on a private MySQL
	@TEST_DB_URL= TEST_DB_KIND=mysql $(BIN)/python -m pytest $(PYTEST_ARGS)

programs: $(STAMP)
	@$(BIN)/python -m tests.servers.programs

check: $(STAMP) ## Check style, types and who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

coverage: $(STAMP) ## Show which branches of the pure modules their own tests reach, with no server (some minutes)
	@$(BIN)/python -m coverage run -m pytest -q tests/db/model tests/bot/blocks tests/bot/text tests/bot/test_payloads.py \
	    tests/bot/test_veil.py tests/receiver/sources
	@$(BIN)/python -m coverage report

format: $(STAMP) ## Format the code and repair what can be repaired
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(STAMP) ## Measure this machine against every goal, and where the time goes
	@$(BIN)/python -m tests.benchmarks $(BENCH_ARGS)

fuzz: $(STAMP) ## Fuzz parsers and HTTP surface, by strategies and by coverage, FUZZ_SECONDS (600) each
	@$(PIP) install --quiet 'atheris>=2.3'
	@for engine in hypothesis atheris; do for target in parsers surface; do \
	    $(BIN)/python -m tests.fuzz $$target --engine $$engine --seconds $(FUZZ_SECONDS) || exit 1; \
	done; done

storm: $(STAMP) ## Send a storm of alerts and tell what people saw of it (STORM_ARGS="--incidents 200 --seconds 15")
	@$(BIN)/python -m tests.storm $(STORM_ARGS)

replicas: $(STAMP) ## Kill replicas (REPLICAS=4, SECONDS=180) and nodes (CLUSTER=none, galera or group) under load
	@$(BIN)/python -m tests.replicas --replicas $(REPLICAS) --seconds $(SECONDS) --cluster $(CLUSTER)

faults: $(STAMP) ## Play the whole fault matrix on both database servers, and write tests/faults/README.md
	@$(BIN)/python -m tests.faults $(FAULTS_ARGS)

wheel: $(STAMP) ## Build the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

secrets: ## Make the passwords and tokens that manifests/compose.yaml reads from secrets/
	@sh manifests/secrets.sh

lock: $(STAMP) ## Renew requirements/: the newest releases that pyproject.toml allows, with the hashes of their files
	@$(PIP) install --quiet 'uv>=0.8,<1'
	@$(LOCK) pyproject.toml --output-file requirements/run.txt
	@$(LOCK) pyproject.toml --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt
	@$(LOCK) --group pyproject.toml:wheel --constraint requirements/dev.txt --output-file requirements/wheel.txt

venv: $(STAMP) ## Make or refresh the virtual environment

clean: ## Remove what was built and cached; the database in RUN_DIR stays
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d "$(RUN_DIR)" ]; then echo "$(RUN_DIR) holds the database and stays; rm -r $(RUN_DIR) removes it."; fi

# Done again when what it is made from changes. The stamp is written last, so a broken attempt is repeated. Everybody has
# the same files, known by their hashes; LOCKED=no takes the newest releases that pyproject.toml allows.
$(STAMP): pyproject.toml requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Observer needs Python 3.11 or later, and '$(PYTHON)' is `$(PYTHON) --version 2>&1 || echo missing`." >&2; \
	    echo "Install one and name it: make PYTHON=python3.12 ... (Debian: apt install python3; macOS: brew install python)." >&2; \
	    exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "Python's venv module is missing. Debian and Ubuntu keep it in a package of its own: apt install python3-venv" >&2; \
	    exit 1; }
	@echo "Preparing the virtual environment $(VENV) ..."
	@test -x $(BIN)/python || { rm -rf $(VENV) && $(PYTHON) -m venv $(VENV); }
ifeq ($(LOCKED),yes)
	@$(PIP) install --quiet --require-hashes --no-deps --requirement requirements/dev.txt || { \
	    echo "For a Python or a machine that the locked releases are not made for: make venv LOCKED=no" >&2; exit 1; }
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
else
	@$(PIP) install --quiet --editable '.[dev]'
endif
	@touch $@
