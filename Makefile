# The front door. A fresh machine needs Python 3.11 or newer with venv, pip, make and git; nothing else.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install
# Processes that run the tests; 0 runs them in one, as a debugger wants it.
JOBS ?= 3
INSTALL_SELF := $(PIP) --no-deps --no-build-isolation -e .

.PHONY: demo up test check e2e bench format lock openapi shots clean help

help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.run ## one incident through the whole process, on a real Temporal server
	@$(BIN)/tocsin demo

up: $(VENV)/.run ## the same system for real use, until Ctrl-C; state in var/
	@$(BIN)/tocsin up

test: $(VENV)/.test ## the test suite
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -q -n $(JOBS) --max-worker-restart 0 $(ARGS)

check: $(VENV)/.test ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

e2e: $(VENV)/.e2e ## with the real Alertmanager and a browser (Debian: prometheus-alertmanager, chromium)
	@$(BIN)/python -m pytest -q tests/e2e --run-e2e $(ARGS)

bench: $(VENV)/.run ## speed as ratios to the engine's own floor, in one run (FULL=1: the long rows)
	@$(BIN)/python -m bench $(if $(FULL),--full)

format: $(VENV)/.test ## format and mend what can be mended
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

openapi: $(VENV)/.test ## write docs/openapi.json and docs/policy.schema.json anew
	@$(BIN)/python -m starter.documents

shots: $(VENV)/.e2e ## take the screenshots in docs/ anew
	@$(BIN)/python docs/screenshots.py

clean: ## forget the environment and caches; var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tocsin needs Python 3.11 or newer; $(PY) is older. Try: make PY=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PY) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian: apt-get install python3-venv"; exit 2; }
	@$(PY) -m venv $(VENV)

# The lock's hashes are checked for everything; then the project itself, with the locked build backend.
$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) …"
	@$(PIP) --require-hashes -r requirements.lock
	@$(INSTALL_SELF)
	@touch $@

$(VENV)/.test: requirements-test.lock pyproject.toml | $(VENV)/bin/python
	@echo "Setting up $(VENV) with what the tests need …"
	@$(PIP) --require-hashes -r requirements-test.lock
	@$(INSTALL_SELF)
	@touch $@ $(VENV)/.run

$(VENV)/.e2e: requirements-e2e.lock $(VENV)/.test $(VENV)/idp/.done
	@$(PIP) --require-hashes -r requirements-e2e.lock
	@touch $@

# The identity provider of the tests that sign in, apart from ours.
$(VENV)/idp/.done: requirements-idp.lock | $(VENV)/bin/python
	@$(PY) -m venv $(VENV)/idp
	@$(VENV)/idp/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

lock: ## resolve the locks anew (needs uv on the PATH)
	@for set in "" "test lint" "test e2e"; do \
	  name=requirements$$(echo $$set | sed -E 's/test lint/-test/; s/test e2e/-e2e/').lock; \
	  groups="--group build"; for g in $$set; do groups="$$groups --group $$g"; done; \
	  uv pip compile -q pyproject.toml $$groups --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o $$name; done
	@uv pip compile -q --group idp --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --no-annotate -o requirements-idp.lock
