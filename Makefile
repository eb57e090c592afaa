# The two commands are `make run` and `make test`; `make help` lists the rest.

PYTHON ?= python3.11 python3.12 python3.13 python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# The quick tiers come first, so that a mistake shows itself early. The others start services, which end with the run that
# started them: those that share one are one run, and beside it go those that start their own. They wait more than they
# work, so three runs go at a time on two cores, and the others begin when one of the first three is over: the longest
# come first, since the run takes as long as the last of them.
# Of the tier that shares a service; these need none.
IN_PROCESS := deployments/channels deployments/copies deployments/feed deployments/sessions
QUICK := house turn store agents messages_api fundamentals schedules work batches replay channels $(IN_PROCESS)
SHARING := deployments
OWN := cluster
COMMANDS := cli
BROWSER := page
LAST := chaos benchmarks
# Of the tier that shares a service; these start their own, one after another.
APART := $(addprefix deployments/test_,limits.py moves.py redeploy.py replica_deaths.py)
PLACED := --placements $(or $(PLACEMENTS),one)
GROUPED := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
CODE := store agents deployments tests $(wildcard benchmarks)

# Every actor is a process: without the compiled sources each would compile them again.
unexport PYTHONDONTWRITEBYTECODE

# Of the packages, what nothing here imports: a quarter of all that could be compiled. What is imported all the same is
# compiled then.
UNUSED := /ray/(rllib|tune|train|llm|air)/|/(pip|setuptools|mypy|mypyc)/|/pygments/lexers/|/numpy/.*/tests/

ACCEPTABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))

.DEFAULT_GOAL := help
.PHONY: help venv run test quick sharing own commands apart last browser lint format bench chaos settings metrics lock clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' $(MAKEFILE_LIST)

venv: $(READY)  ## Create or refresh .venv from requirements.lock

run: $(READY)  ## Start Valkey, Ray and the service in the foreground; Ctrl-C stops all of it
	@exec $(BIN)/raylogue up

test: $(READY)  ## Run the linters and all tests; in both placements, which takes longer: make test PLACEMENTS=both
	@$(MAKE) --no-print-directory --jobs 2 $(GROUPED) lint quick
	@$(MAKE) --no-print-directory --jobs 3 $(GROUPED) sharing own commands apart last browser

quick: $(READY)  ## Run the tests that start no service
	$(BIN)/pytest --numprocesses auto $(QUICK:%=tests/%)

sharing: $(READY)  ## Run the tests that share one service
	$(BIN)/pytest $(PLACED) $(APART:%=--ignore=tests/%) $(IN_PROCESS:%=--ignore=tests/%) $(SHARING:%=tests/%)

apart: $(READY)  ## Run those of that tier that start services of their own
	$(BIN)/pytest $(PLACED) $(APART:%=tests/%)

own: $(READY)  ## Run the tests that start clusters of their own
commands: $(READY)  ## Run the tests of the command line, which start services of their own
browser: $(READY)  ## Run the tests of the page, which share one service
last: $(READY)  ## Run chaos and benchmarks
own: TIERS := $(OWN)
commands: TIERS := $(COMMANDS)
browser: TIERS := $(BROWSER)
last: TIERS := $(LAST)
own commands browser last:
	@failed=0; for tier in $(TIERS); do $(BIN)/pytest $(PLACED) tests/$$tier || failed=1; done; exit $$failed

lint: $(READY)  ## Check style and types
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy

format: $(READY)  ## Rewrite the code in the house's format
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

bench: $(READY)  ## Measure the service next to a plain application
	$(BIN)/python -m benchmarks

chaos: $(READY)  ## Break the service at random for ten minutes and check what it promised: make chaos SECONDS=60 SEED=7 OLDER=HEAD~1
	$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(OLDER),--older $(OLDER))

settings: $(READY)  ## Write docs/settings.md from the settings
	$(BIN)/python -c 'from deployments.process.variables import settings_page; print(settings_page(), end="")' \
	  > docs/settings.md

metrics: $(READY)  ## Write docs/metrics.md, the Grafana dashboard and the alert rules from the table of metrics
	$(BIN)/python -m deployments.metrics

lock:  ## Resolve the dependencies again; needs uv
	uv pip compile --universal --generate-hashes --python-version 3.11 --all-extras --upgrade --quiet \
	  --no-header --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.lock

clean:  ## Remove .venv and the caches, never the data under .raylogue
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml
	@for python in $(PYTHON); do \
	  if $$python -c '$(ACCEPTABLE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Raylogue needs Python 3.11, 3.12 or 3.13 with its venv module: apt install python3 python3-venv," \
	       "or name one: make PYTHON=/path/to/python3.11 run" >&2; \
	  exit 1; \
	fi; \
	echo "Preparing $(VENV) from requirements.lock; the first time this takes some minutes."; \
	$$found -m venv $(VENV)
	@$(BIN)/pip install --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@$(BIN)/python -m compileall -q -j 0 -x '$(UNUSED)' $(VENV)/lib >/dev/null || true  # not all that packages bring along compiles
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@
