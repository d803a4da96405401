# make demo    simulated records through every stage, on the CPU; ends with the report's path
# make test    all tests but those that take minutes each: long-test, docs-test, package-test, slurm-test, fault-test
# make long-test    whole workflows on real records, scans and data of one's own
# make lint    formatting, style, workflow lint, import rules, types
# make docs    these pages as a site in build/site; docs-test runs every command in them
# make package    wheel and source archive in dist/
# make package-test  the wheel in an empty environment, without PyTorch; takes packages from the index
# make slurm-test    the workflow on a Slurm of its own on this machine; installs Debian's packages where root may
# make fuzz    random input for every reader of files that users bring; CASES of each, ten minutes as it stands
# make fault-test    kills, full disks, damaged files, at FAULTS random moments; the results must be those of an undisturbed run
# Each sets up .venv by itself; needs Python >= 3.11 and nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= 2
CASES ?= 3000
FAULTS ?= 50
SEED ?= 0
READY := $(VENV)/.ready

export PATH := $(CURDIR)/$(BIN):$(PATH)
export MPLBACKEND := Agg
# waiting threads sleep instead of spinning, since tests and jobs share the cores
export OMP_WAIT_POLICY := PASSIVE

.PHONY: demo test long-test lint package package-test slurm-test docs docs-test fuzz fault-test format clean

demo: $(READY)
	snakemake --cores $(CORES) all --configfile config/demo.yaml
	@echo "The report: $(CURDIR)/results/demo/report/index.html"

test: $(READY)
	pytest -n $(CORES) --dist loadgroup

long-test: $(READY)
	pytest -m long -n $(CORES) --dist loadgroup tests/workflow

slurm-test: $(READY)
	tests/cluster/install.sh
	pytest -m cluster tests/cluster

fuzz: $(READY)
	ECGPIPE_FUZZ=$(CASES) pytest -n $(CORES) --dist loadgroup tests/fuzz

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict
	@echo "The pages: $(CURDIR)/build/site/index.html"

docs-test: $(READY)
	pytest -m docs tests/docs

package: $(READY)
	python -m hatchling build -d dist

package-test: $(READY)
	pytest -m package tests/packaging

fault-test: $(READY)
	python -m tests.faults --faults $(FAULTS) --seed $(SEED)

lint: $(READY)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint --configfile config/demo.yaml
	lint-imports
	mypy

format: $(READY)
	ruff check --fix .
	ruff format .
	snakefmt Snakefile rules

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "ecgpipe needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf results/demo results/tiny
