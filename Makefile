# Everything a developer or a new user runs. The virtual environment lives in .venv; VENV=... names another.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Bytecode is written by the first import: most of what is installed is never imported.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: install paper compiled test check bench config docs soak clean

paper: $(INSTALLED) ## ten market days on the embedded sandbox, with nothing configured
	$(BIN)/bot run --paper --hours 240 --fresh

install: $(INSTALLED) ## the virtual environment

compiled: $(INSTALLED) ## the books' kernels, once: otherwise the first tests compile them side by side, each for itself
	$(BIN)/bot backtest --hours 24 --json > /dev/null
	$(BIN)/bot backtest --hours 24 --config tests/fakes/resting.yaml --assets BTC --json > /dev/null & \
	$(BIN)/bot run --paper --hours 6 --config tests/fakes/six_slots.yaml --var build/compiled --fresh > /dev/null && wait

test: compiled ## every test, a file at a time on every core, and five more: tests often wait. One that hangs ends, and is told
	$(BIN)/python -m pytest -p tests.forked --workers $$(($$($(BIN)/python -c "import os; print(os.cpu_count() or 1)") + 5)) \
		-o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true

check: $(INSTALLED) ## style, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED) ## what is fast, as ratios measured in one run
	$(BIN)/python -m benchmarks

soak: $(INSTALLED) ## what takes too long for every change: many more kills, of traders and of those who learn
	SOAK=1 $(BIN)/python -m pytest tests/functional tests/parity tests/faults tests/contract/test_ray_cluster.py \
		tests/unit/pbt_online/test_population.py

config: $(INSTALLED) ## write the generated files anew: config/*.yaml, tables in docs/
	$(BIN)/python -m bot.cli.generated

docs: $(INSTALLED) ## the documentation as a site, build/site/index.html; a warning ends it
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) var build *.egg-info
