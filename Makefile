# What a newcomer runs: `make demo` and `make test`. Everything lands in .venv, the npm packages of the tests in
# $DBSWITCH_TEST_CACHE (default ~/.cache/dbswitch-tests).
#   ARGS     passed on: make demo ARGS=--keep, make test ARGS='tests/server -k port'
#   INSTALL  what pip installs; a built wheel: make venv INSTALL='dist/NAME.whl[dev,demo]'
#   WORKERS  how many tests run at a time; default: two for each core, since most wait for a server or a database
#   PYTHON   the interpreter for .venv; default: the first of the usual names that is new enough

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$name -c '$(NEW_ENOUGH)' >/dev/null 2>&1 && echo $$name && break; done)
ARGS ?=
INSTALL ?= --editable .[dev,demo]
WORKERS ?= $(shell expr 2 \* $$(getconf _NPROCESSORS_ONLN))
# stdin may be closed where this is started in the background; the file opened next would become stdin.
# Without bytecode each worker and each program of the tests compiles the tests anew: 4 s of processor time a worker.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist worksteal --durations 20 </dev/null
BENCH ?= $(patsubst tests/benchmarks/bench_%.py,%,$(sort $(wildcard tests/benchmarks/bench_*.py)))

.DEFAULT_GOAL := help
.PHONY: help venv check format javascript test test-ci test-all test-root sweeps bench demo golden pictures release-notes clean node compiled

help: ## show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## make the virtual environment and install dbswitch with everything it needs

$(STAMP): pyproject.toml
	@"$(or $(PYTHON),false)" -c '$(NEW_ENOUGH)' 2>/dev/null || { \
		echo "dbswitch needs Python 3.11 or newer; '$(or $(PYTHON),python3)' is missing or older. Name another one: make $(or $(MAKECMDGOALS),venv) PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" -m venv $(VENV) || { \
		echo "'$(PYTHON) -m venv' failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing dbswitch into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check $(INSTALL)
	@touch $(STAMP)

node:
	@node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
		&& npm --version >/dev/null 2>&1 || { \
		echo "This needs Node.js 20.19 or newer with npm; found: $$(node --version 2>/dev/null || echo none). See https://nodejs.org/en/download" >&2; exit 1; }

check: $(STAMP) ## lint, format, types, layers: what CI checks before the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP) ## format the code and fix what can be fixed safely
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

javascript: $(STAMP) node ## build the JavaScript templates from the TypeScript ones
	$(BIN)/python -m tests.generate.javascript

compiled: $(STAMP)
	@# As pip leaves an installed dbswitch: the tests start it thousands of times, perhaps with PYTHONDONTWRITEBYTECODE set.
	@if [ -d dbswitch ]; then $(BIN)/python -m compileall -q dbswitch; fi

test: $(STAMP) node compiled ## run the tests, the real stack included, without the sweeps
	$(PYTEST) -m 'not sweep' $(ARGS)

# At most three tests that failed run once more, alone. What passes then depends on the machine or on another test: it is
# named at the end, as a defect of its own.
FAILED := .pytest_cache/v/cache/lastfailed
ONCE_MORE = { test $$? -eq 1 && test $$(grep -c :: $(FAILED)) -le 3 && failed=$$(grep -o '"[^"]*::[^"]*"' $(FAILED)) && \
	echo "Failed; once more, alone: $$failed" && \
	$(BIN)/pytest --last-failed --last-failed-no-failures none </dev/null && echo "UNSTEADY, passed alone: $$failed"; }
# The sweeps that end within minutes; the others take the large app, an installed package or many hundreds of switches.
SHORT_SWEEPS = tests/envfiles tests/pools tests/support tests/server/test_standin.py tests/switch \
	-k 'not reader_gets_a_value and not leak_nothing'

test-ci: $(STAMP) node compiled ## as `test`, then the short sweeps; if at most three tests fail, run them once more, alone
	@$(PYTEST) --cache-clear -m 'not sweep' $(ARGS) || $(ONCE_MORE)
	@$(PYTEST) --cache-clear -m sweep $(SHORT_SWEEPS) || $(ONCE_MORE)

sweeps: $(STAMP) node compiled ## run the sweeps: kills at every system call, power cuts, rounds, full fuzz, newest versions
	$(PYTEST) -m sweep $(ARGS)

test-all: test sweeps ## run every test

test-root: $(STAMP) node compiled ## run what only root can test
	$(PYTEST) -m root $(ARGS)

bench: $(STAMP) node compiled ## measure; BENCH=NAME picks one of tests/benchmarks/bench_NAME.py
	@for name in $(BENCH); do echo "== $$name"; $(BIN)/python -m tests.benchmarks.bench_$$name $(ARGS) || exit 1; done

demo: $(STAMP) node ## see it work: two databases, a real app, two switches (ARGS=--keep leaves it running)
	@$(BIN)/dbswitch demo $(ARGS)

golden: $(STAMP) ## write the screens in tests/golden anew; read the difference before you commit it
	DBSWITCH_GOLDEN=1 $(BIN)/pytest -q -n 2 tests/cli/test_screens.py </dev/null

pictures: $(STAMP) node compiled ## take the pictures of docs/images again, on a machine with nothing else to do
	DBSWITCH_SCREENSHOTS=docs/images $(BIN)/pytest tests/e2e/test_admin_page.py $(ARGS) </dev/null
	$(BIN)/python -m tests.support.record_demo

release-notes: ## print the section of the changelog for VERSION
	@awk -v heading="## [$(VERSION)]" 'index($$0, heading) == 1 { on = 1; next } /^## \[/ { on = 0 } on { print; found = 1 } \
		END { if (!found) { print "CHANGELOG.md has no section " heading > "/dev/stderr"; exit 1 } }' CHANGELOG.md

clean: ## remove what make and the tools made in this folder
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
