# make demo          simulated records through all stages, on the CPU; prints the path of the report
# make plan          what `snakemake all` would run and why, one line per rule; CONFIG=config/demo.yaml selects a configuration
# make test          all tests except those that take minutes each: long-test, docs-test, package-test, slurm-test, fault-test
# make long-test     whole workflows, what runs again after a change, real records, scans and your own data; slow tests of models
# make lint          formatting, style, spelling, workflow lint, import rules, types
# make docs          the documentation as a site in build/site; docs-test runs all its commands
# make package       wheel and source archive in dist/
# make package-test  the wheel in an empty environment, without PyTorch; downloads packages
# make slurm-test    the workflow on a temporary Slurm on this machine; installs Debian's packages if run as root
# make fuzz          random input for the readers of user files, as much as FUZZ_SECONDS allow
# make fault-test    kills, full disks and damaged files at FAULTS random moments; results must equal those of an undisturbed run
# make kit-env       ECG-Image-Kit's dependencies, in KIT_ENV: 670 MB; requires Python 3.9 or 3.10, KIT_PYTHON
# make kit-test      the tests that run ECG-Image-Kit itself: KIT is its checkout, KIT_ENV its environment
# make reference     docs/config.md, config/schema.json and docs/commands.md, from the code
# Each creates .venv if needed; requires only Python >= 3.11.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
FUZZ_SECONDS ?= 600
FAULTS ?= 50
SEED ?= 0
KIT ?= ../ecg-image-kit
KIT_ENV ?= ../kit-env
KIT_PYTHON ?= python3.10
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)
export MPLBACKEND := Agg
# waiting threads sleep instead of spinning, since tests and jobs share the cores
export OMP_WAIT_POLICY := PASSIVE
# one test process per core, with one thread each; tests/conftest.py divides the tests
TESTS := OMP_NUM_THREADS=1 pytest -n $(CORES) --dist loadscope --no-loadscope-reorder

.PHONY: demo plan test long-test lint package package-test slurm-test docs docs-test fuzz fault-test kit-env kit-test format reference clean

demo: $(READY)
	snakemake --cores $(CORES) all --configfile config/demo.yaml
	@echo "The report: $(CURDIR)/results/demo/report/index.html"

plan: $(READY)
	@python scripts/plan.py all $(if $(CONFIG),--configfile $(CONFIG))

test: $(READY)
	$(TESTS)

long-test: $(READY)
	$(TESTS) -m long

slurm-test: $(READY)
	tests/cluster/install.sh
	pytest -m cluster tests/cluster

fuzz: $(READY)
	python -m tests.fuzz --seconds $(FUZZ_SECONDS) --seed $(SEED)

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "The pages: $(CURDIR)/build/site/index.html"

docs-test: $(READY)
	$(TESTS) -m docs tests/docs

package: $(READY)
	python -m hatchling build -d dist

package-test: $(READY)
	pytest -m package tests/packaging

fault-test: $(READY)
	python -m tests.faults --faults $(FAULTS) --seed $(SEED)

kit-env:
	envs/kit-env.sh $(KIT_ENV) $(KIT_PYTHON)

kit-test: $(READY)
	ECGPIPE_KIT=$(abspath $(KIT)) ECGPIPE_KIT_PYTHON=$(abspath $(KIT_ENV))/bin/python pytest tests/render/test_kit_real.py

lint: $(READY)
	ruff check .
	ruff format --check .
	codespell
	snakefmt --check Snakefile rules
	snakemake --lint --configfile config/demo.yaml
	lint-imports
	mypy
	mypy contrib/challenge-2024

format: $(READY)
	ruff check --fix .
	ruff format .
	snakefmt Snakefile rules

reference: $(READY)
	python -m ecgpipe.config.reference > docs/config.md
	python -m ecgpipe.config.reference --schema > config/schema.json
	python -m ecgpipe.cli.reference > docs/commands.md

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ecgpipe requires Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing PyTorch, Snakemake and the other packages of constraints.txt into $(VENV):"
	@echo "about 5 minutes and 7 GB of disk space, once. pip prints nothing until it is done."
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf results/demo results/tiny
