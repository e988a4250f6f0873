# make reproduce   everything, at the scale in params.yaml; ends by saying where the report is
# make smoke       the same graph in minutes, in work/smoke; this params.yaml and these results stay as they are
# make reference-report  the report of the committed reference, in work/reference, in two minutes; nothing is trained
# make test        all tests, after `check`
# make check       style and types: ruff, snakefmt, mypy
# make vllm-check  thinking on a real vLLM server on this CPU, held to the local engine; after make reproduce
# make bench       every benchmark, in less than twenty minutes; writes benchmarks/results/ and README's table
# make bench-check the same, held to the committed ratios; writes nothing
# make schema      workflow/params.schema.json from the ranges of params.yaml's keys, after changing one
# make lock        requirements.lock from the environment, after changing pyproject.toml
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready-$(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)

.PHONY: reproduce smoke reference-report test check vllm-check bench bench-check schema lock
.DELETE_ON_ERROR:

reproduce: $(READY)
	$(BIN)/snakemake --cores all --quiet host reason

smoke: $(READY)
	$(BIN)/asyncthink scale smoke --into work/smoke
	cd work/smoke && ../../$(BIN)/snakemake --cores all --quiet host reason
	@echo "Scale smoke: shows the graph, not the science."

reference-report: $(READY)
	$(BIN)/asyncthink report --reference metrics/reference/nano --report work/reference/index.html
	@echo "The report of the committed reference: $(CURDIR)/work/reference/index.html"

test: check
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/mypy

vllm-check: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python tests/vllm_cpu_check.py --model results/sft/asyncthink/1 --items data/puzzles/test.jsonl

bench: $(READY)
	$(BIN)/python -m benchmarks

bench-check: $(READY)
	$(BIN)/python -m benchmarks --check

schema: $(READY)
	$(BIN)/python -m asyncthink.config.schema > workflow/params.schema.json

lock:
	$(BIN)/pip freeze --all --exclude pip --exclude wheel --exclude-editable > .venv/frozen
	{ head -n 1 requirements.lock; sed 's/+cpu$$//' .venv/frozen; } > .venv/lock
	mv .venv/lock requirements.lock

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit("asyncthink needs Python 3.11 or newer; say make PYTHON=python3.11" \
	if sys.version_info < (3, 11) else 0)'
	@echo "Building .venv from requirements.lock; this takes a few minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	rm -f .venv/ready-*
	touch $@
