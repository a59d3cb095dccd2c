# Two commands need nothing but Python 3.11+ and make: `make book` and `make test`.
# Both set up .venv first. `make help` lists the rest; .ci/run is all that CI runs.

PYTHON ?= python3
BIN    := .venv/bin
# One thread a process: results do not depend on the number of cores, and two test workers do not
# fight over them.
export OMP_NUM_THREADS = 1

TASK  ?= all
MODEL ?= all
JOBS  ?= 2
# What `make check` tests: the equations, the machine that they make, and its task.
MACHINE := $(addprefix tests/test_, addressing.py memory.py heads.py controllers.py ntm.py lstm.py \
             evaluation.py import.py)
CODE := conftest.py book notebooks ntm_tutorial tests tools
# Where PyTorch for processors is: 0.2 GB, not 3. That index gives PyTorch and nothing else.
TORCH_INDEX ?=
PORT  ?= 8000

.DEFAULT_GOAL := help
.PHONY: help venv book pdf serve check test slow colab browser latex lint format notebooks figure train bench links dist version clean failures seeds

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

venv: .venv/stamp ## set up .venv: Python packages for the book and its tests

.venv/stamp: requirements.txt pyproject.toml
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null \
	  || { echo "Python lacks ensurepip. On Debian or Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Setting up .venv; this takes a few minutes the first time."
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@test -z "$(TORCH_INDEX)" || $(BIN)/python -m pip install -qq --disable-pip-version-check \
	  --no-deps --index-url "$(TORCH_INDEX)" $$(grep '^torch==' requirements.txt)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt
	@touch $@

book: .venv/stamp ## build the book into _build/html, warnings are errors
	$(BIN)/jupyter-book build . -W -n --keep-going
	@echo "The book is built. Open _build/html/index.html, or run: make serve"

pdf: book browser ## make the PDF edition, _build/pdf/ntm-tutorial.pdf; installs XeLaTeX where it can
	$(BIN)/jupyter-book build . --builder latex -W -n --keep-going
	$(BIN)/python -m tools.pdf

serve: book ## build the book and serve it on this machine; another port: PORT=8080
	$(BIN)/python -m http.server $(PORT) --bind localhost --directory _build/html

check: lint ## a minute's test: style, types, and the machine's equations
	$(BIN)/pytest -n 2 -m "not slow" $(MACHINE)

test: lint browser ## test package, notebooks and the book's pages: what a change should pass
	$(BIN)/pytest -n 2 -m "not slow"

slow: browser .venv/jupyterlab ## the rest of the tests: long compiles, PDF, JupyterLab, second looks
	$(BIN)/pytest -n 2 -m slow --ignore tests/test_colab.py

# Beside what is pinned, which it must not change: pip refuses what does not go with it.
.venv/jupyterlab: .venv/stamp tools/jupyterlab.txt
	$(BIN)/python -m pip install -qq --disable-pip-version-check -r requirements.txt -r tools/jupyterlab.txt
	@touch $@

colab: .venv/stamp ## run all notebooks as on Colab; on Python 3.13, with its PyTorch too: EXACT=1
	COLAB_EXACT=$(EXACT) $(BIN)/pytest -n 2 tests/test_colab.py

latex: ## install the XeLaTeX that the PDF needs, as root on Debian or Ubuntu
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $(shell cat tools/latex.txt)

browser: .venv/stamp ## find the Chromium that the tests open the pages in, or install one
	$(BIN)/python tools/browser.py

lint: .venv/stamp ## check style, types and who imports whom: ruff, mypy, import-linter
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: .venv/stamp ## put code and notebooks into the house style
	$(BIN)/ruff check --fix $(CODE)
	$(BIN)/ruff format $(CODE)

notebooks: .venv/stamp ## re-execute notebooks in place; one of them: NB=notebooks/07_copy.ipynb
	$(BIN)/python tools/execute.py $(NB)

figure: .venv/stamp ## draw the front page's figure again
	$(BIN)/python tools/figure.py

train: .venv/stamp ## train all models from nothing, or one: TASK=copy MODEL=ntm-lstm JOBS=1
	$(BIN)/ntm-tutorial sweep $(TASK) $(MODEL) --jobs $(JOBS) --compile

failures: .venv/stamp ## train the machines of the failure lab, one after another; goes on where it was
	$(BIN)/python -m ntm_tutorial.lab.failures

seeds: .venv/stamp ## train the machines of chapter 6 and the quick start from several seeds; goes on where it was
	$(BIN)/python -m tools.seeds

bench: .venv/stamp ## measure how fast training is, for chapter 17; a part: BENCH="--quick --models lstm"
	$(BIN)/python -m tools.bench $(BENCH)

links: .venv/stamp ## write the project's URL everywhere it stands; a new one: URL=https://github.com/...
	$(BIN)/python tools/links.py $(URL)

dist: .venv/stamp ## build the package into dist/: a wheel, and its source
	$(BIN)/python -m build

version: ## print the version, which stands in pyproject.toml
	@"$(PYTHON)" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])'

clean: ## remove what was built, and .venv
	rm -rf _build build dist .venv .venv-colab .mypy_cache .pytest_cache .ruff_cache .hypothesis *.egg-info
