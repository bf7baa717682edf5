# Two commands are all a newcomer needs: `make demo` and `make test`.
# Each builds what it needs in .venv from the locked requirements.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test check bench torture lock clean
.DEFAULT_GOAL := demo

demo: $(VENV)/run.installed                  ## archive four simulated providers and restore from the result
	$(BIN)/archiver demo

test: $(VENV)/dev.installed                  ## run every test
	ARCHIVER_TEST_REQUIRE=seaweedfs,rclone,hadolint,media $(BIN)/pytest

torture: $(VENV)/dev.installed               ## all of what the torture tests sample; ONLY=FILE for one of them
	ARCHIVER_TORTURE=all $(MACHINES) ARCHIVER_TEST_REQUIRE=seaweedfs,rclone,ceph,systemd,nspawn,podman,compose,cron,hadolint,media $(BIN)/pytest $(ONLY) --timeout 3600 --dist worksteal

check: $(VENV)/dev.installed                 ## lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev.installed $(VENV)/peers/installed  ## measure against peers (docs/performance.md); ONLY=FIGURE for one of them
	$(BIN)/python -m benchmarks $(if $(filter command line,$(origin ONLY)),$(ONLY))

lock:                                        ## pin the requirements again (needs uv)
	uv pip compile $(LOCK) --extra demo --extra build -o requirements/run.txt pyproject.toml
	uv pip compile $(LOCK) --extra build --extra apprise --extra webhooks -o requirements/image.txt pyproject.toml
	uv pip compile $(LOCK) --extra demo --extra build --extra apprise --extra webhooks --group dev -o requirements/dev.txt pyproject.toml

ONLY := tests/storage tests/torture tests/drills tests/systemd tests/container
MACHINES := ARCHIVER_TEST_MACHINES=$(CURDIR)/$(VENV)/machines
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url

clean:
	rm -rf $(VENV) archiver-demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/peers/installed:                     ## what is measured against, and no requirement of anything
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip --quiet --disable-pip-version-check install gallery-dl awscli
	touch $@

$(VENV)/run.installed: requirements/run.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements/run.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/dev.installed: requirements/dev.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes --requirement requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --editable .
	touch $@ $(VENV)/run.installed
