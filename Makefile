# Each target makes .venv by itself: Python 3.11 or newer with venv is all that must be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: serve test lint bench fuzz thunderbird lock clean
.DEFAULT_GOAL := serve

serve: $(INSTALLED)
	@$(BIN)/opostd serve $(ARGS)

test: $(INSTALLED)
	@.ci/programs
	$(BIN)/pytest $(or $(ARGS),-n 2 --dist loadfile --no-loadscope-reorder)

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict -p opostd
	$(BIN)/lint-imports

# Octets by chance into everything that reads octets, for ten minutes of processor time.
fuzz: $(INSTALLED)
	$(BIN)/python -m tests.fuzz --seconds 600 $(ARGS)

# A real Thunderbird on a screen of its own: apt-get install thunderbird xvfb.  About a minute.
thunderbird: $(INSTALLED)
	$(BIN)/python -m tests.clients.thunderbird $(ARGS)

bench: $(INSTALLED)
	$(BIN)/python bench/run.py $(ARGS)

# The pins anew, each at its newest release that pyproject.toml allows.
lock:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	{ echo '# Every package that opostd and its tests use, pinned.  Made by `make lock` from pyproject.toml.'; \
	  $(BIN)/uv pip compile pyproject.toml --extra dev --upgrade --quiet --no-emit-index-url --no-header --no-annotate; \
	} > requirements.lock.new
	mv requirements.lock.new requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("opostd needs Python 3.11 or newer; make PYTHON=python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
