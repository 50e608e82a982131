# Each target sets itself up in .venv; `make help` lists them.

BIN := .venv/bin
# A stamp names what .venv was made from, so that a changed pyproject.toml installs again.
SUM := $(shell cksum < pyproject.toml | cut -d ' ' -f 1)
STAMP := .venv/.installed-$(SUM)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo test check bench docs clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1|/p' Makefile | \
		while IFS='|' read -r name text; do printf 'make %-7s %s\n' "$$name" "$$text"; done

demo: $(STAMP)-base ## walk one NtWriteFile call through both gates
	$(BIN)/ntgate demo

test: $(STAMP)-test ## run the tests; ARGS="-k name" goes to pytest
	$(BIN)/python -m pytest -n auto --maxprocesses 8 $(ARGS)

check: $(STAMP)-dev ## ruff, mypy --strict, the house's rules, generated docs up to date
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/mypy --strict --platform win32 --cache-dir .mypy_cache/win32 src
	$(BIN)/mypy --strict --platform darwin --cache-dir .mypy_cache/darwin src
	$(BIN)/python -m pytest -q tests/test_import_direction.py tests/test_one_home.py
	$(BIN)/python -m ntgate.tools.generate_docs --check

bench: $(STAMP)-test ## run the benchmarks, each printing ratios measured in one run
	@for file in bench/bench_*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

docs: $(STAMP)-base ## write the generated pages under docs/
	$(BIN)/python -m ntgate.tools.generate_docs

clean: ## remove .venv, caches and built guest programs
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(STAMP)-base:
	@scripts/setup.sh . $@
$(STAMP)-test:
	@scripts/setup.sh '.[test]' $@
$(STAMP)-dev:
	@scripts/setup.sh '.[dev]' $@
