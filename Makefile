# `make` or `make help` lists what there is. Needs Python 3.11 or newer, nothing else.

SHELL := /bin/sh
VENV := .venv/bin
ARGS ?=
# Byte code is written even where the environment forbids it: every worker and every function's process
# would compile the same sources again, seconds each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup setup-test setup-spark setup-glue setup-bench run run-spark local test test-fast test-upgrade \
	test-contention test-messages test-properties test-counts check format jobs bench-jobs bench-replay bench-queue bench-data bench-data-published bench-local-cloud bench-listing bench-orchestration bench-cost bench-permissions bench-page \
	record-permissions record-slow record-template record-tutorial \
	record-before record-histories reference json-schemas lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

# What is made already says so in a tenth of the time that it takes to find a Python.
MADE := $(VENV)/python scripts/setup.py --made

setup: ## make the virtual environments from the lock files (the others do it when needed)
	@$(MADE) run 2>/dev/null || { python=$$(scripts/find-python) && "$$python" scripts/setup.py run; }

setup-test:
	@$(MADE) test 2>/dev/null || { python=$$(scripts/find-python) && "$$python" scripts/setup.py test; }

setup-spark: ## the same with PySpark, 310 MB more to fetch; it needs Java 17 beside it
	@python=$$(scripts/find-python) && "$$python" scripts/setup.py spark
	@if scripts/find-java >/dev/null 2>&1; then $(VENV)/python scripts/share_spark_classes.py; fi

setup-glue: ## what a Python shell job has on Glue (the template's pins); needs Python 3.9
	@python=$$(scripts/find-python-version 3.9) && "$$python" scripts/setup.py glue

# A message whose dataset runs Spark (ARGS=events/emr-ssm.json) brings PySpark, the first time.
run: setup ## run the pipeline on sample data, on this machine (ARGS="--help" lists the options)
	@$(if $(strip $(ARGS)),if $(VENV)/python -m cli.client.spark $(ARGS); then \
		scripts/find-java >/dev/null && $(MAKE) --no-print-directory setup-spark; fi,:)
	@$(VENV)/python -m cli.main demo $(ARGS)

run-spark: setup-spark ## a chain of a Python and a Spark job on sample data, on this machine
	@scripts/find-java >/dev/null && $(VENV)/python -m cli.main demo events/run-spark.json $(ARGS)

local: setup ## keep the local cloud running, for the AWS CLI, boto3 and `pipeline`
	@$(VENV)/python -m local.local_cloud $(ARGS)

# Four workers keep two processors busy: those with the end-to-end tests mostly wait. The order is
# that of tests/conftest.py; by default xdist takes files with few tests last, however long.
test: setup-test check ## check the code and run all tests
	$(VENV)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: setup-test ## the tests that are quick and need no local cloud, in about a minute
	$(VENV)/python -m pytest -n 2 -m "not cloud and not slow" \
		-p no:hypothesispytest --ignore tests/properties $(ARGS)

test-upgrade: setup-test ## take over a stack of the release before, with runs under way (a minute)
	$(VENV)/python -m pytest -n 0 tests/upgrade tests/template $(ARGS)

test-contention: setup-test ## 250 units want two places while dispatchers are killed (about ten minutes)
	CONTENDED_UNITS=50 $(VENV)/python -m pytest -n 0 tests/end_to_end/test_contention.py $(ARGS)

test-messages: setup-test ## 10,000 messages of five kinds, each accounted for (about half an hour)
	MESSAGES=10000 $(VENV)/python -m pytest -n 0 tests/end_to_end/test_many_messages.py $(ARGS)

test-properties: setup-test ## draw new examples for the properties, hundreds of each (half an hour)
	HYPOTHESIS_PROFILE=explore $(VENV)/python -m pytest -n 2 --timeout 3600 tests/properties $(ARGS)

test-counts: setup-test ## durable operations: of 10,000 units, and at the real limits (some ten minutes)
	COUNTED_UNITS=10000 $(VENV)/python -m pytest -n 0 tests/durable_pipeline/test_operations_per_unit.py \
		tests/durable_pipeline/test_beginning_units.py $(ARGS)

check: setup-test ## lint, formatting, types and the template
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/cfn-lint template.yaml

format: setup-test ## format the code
	$(VENV)/ruff format .
	$(VENV)/ruff check --fix .

jobs: setup-test ## build jobs/clean_csv.py from jobs/src/ and src/reading_rules/
	$(VENV)/python scripts/build_jobs.py

bench-jobs: setup-test ## what awaiting a job costs, in three ways, side by side (about a minute)
	$(VENV)/python -m benchmarks.jobs $(ARGS)

bench-replay: setup-test ## what the orchestrator's invocations load, per unit of a run (a minute)
	$(VENV)/python -m benchmarks.replay $(ARGS)

bench-queue: setup-test ## how long jobs wait for a place, beside a perfect scheduler (half a minute)
	$(VENV)/python -m benchmarks.queue $(ARGS)

bench-orchestration: setup-bench ## what a stage costs an orchestration, beside DBOS (a minute)
	$(VENV)/python -m benchmarks.orchestration $(ARGS)

bench-cost: setup-bench ## what orchestrating 1,000 objects costs, beside Step Functions (half a minute)
	$(VENV)/python -m benchmarks.cost $(ARGS)

bench-local-cloud: setup-test ## what sandboxes, messages, units and invokes cost the local cloud (Linux; an hour)
	$(VENV)/python -m benchmarks.local_cloud $(ARGS)

bench-listing: setup-test ## what a key costs to list, beside boto3's paginator (a minute)
	$(VENV)/python -m benchmarks.listing $(ARGS)

bench-page: setup-test ## what the page costs the browser, by how many units a run has (needs Chromium; a minute)
	$(VENV)/python -m benchmarks.page $(ARGS)

bench-permissions: setup-test ## what checking permissions costs a run (some minutes)
	$(VENV)/python -m benchmarks.permissions $(ARGS)

# Spark's part needs what `make setup-spark` brings, and Java 17: without it, calls would be missing.
record-permissions: setup-test ## which role calls what: tests/permissions/recorded_calls.json
	@scripts/find-java >/dev/null && rm -rf build/recorded && mkdir -p build
	SPARK=required $(VENV)/python -m pytest -n 0 tests/end_to_end tests/spark/test_every_engine.py \
		--basetemp build/recorded $(ARGS)
	$(VENV)/python scripts/record_permissions.py build/recorded

record-slow: setup-test ## which tests are not fast: tests/slow_tests.txt (on an idle machine)
	$(VENV)/python -m pytest -n 0 -p slow_tests -m "not cloud" --ignore tests/properties \
		-p no:hypothesispytest $(ARGS)

record-template: setup-test ## what an upgrade must not replace: tests/template/resources_before.json
	PYTHONPATH=.:src:tests/support $(VENV)/python tests/support/template_fingerprint.py

record-histories: setup-test ## record anew the histories that today's code has to replay
	PYTHONPATH=tests/support $(VENV)/python tests/durable_pipeline/replays.py
	RECORD_HISTORIES=1 $(VENV)/python -m pytest -q -n 0 tests/durable_pipeline/test_backfill_replays.py
	git diff --stat tests/durable_pipeline/recorded

record-tutorial: setup-test ## type the commands of docs/tutorial.md, and write what they print into it
	PYTHONPATH=.:src:tests/support $(VENV)/python tests/support/tutorial.py

# For a release, after its commit: from here on this tree is the one that is out there.
record-before: record-template ## what upgrades begin with, from the present commit (tests/upgrade)
	PYTHONPATH=src $(VENV)/python tests/support/message_schemas.py > tests/upgrade/messages_before.json
	git rev-parse HEAD > tests/upgrade/commit-before

pictures: ## draw docs/pictures/*.svg from their text sources; needs d2
	@python=$$(scripts/find-python) && "$$python" scripts/draw_pictures.py

setup-bench: ## what benchmarks compare with: Polars, pandas, pyarrow and DBOS
	@python=$$(scripts/find-python) && "$$python" scripts/setup.py bench

# On an idle machine only: other work moves the ratios. About a quarter of an hour, 10 GB of disk.
bench-data-published: setup-bench ## the first table of benchmarks/data/README.md, five tries of each
	$(VENV)/python -m benchmarks.data --ways pipeline duckdb --megabytes 200 2000 --repeat 5 $(ARGS)

bench-data: setup-bench ## read, clean, write: this project beside DuckDB and others (a few minutes)
	$(VENV)/python -m benchmarks.data $(ARGS)

# Needs uv (pip install uv). Versions come from pyproject.toml; run.txt is held to those of
# test.txt, because one is installed on top of the other, and what is deployed to those tested.
COMPILE := uv pip compile --quiet --universal --generate-hashes --no-annotate \
	--no-emit-index-url --custom-compile-command "make lock" $(ARGS)
TESTED := --constraint requirements/test.txt

reference: setup-test ## the reference of commands: docs/commands.md
	$(VENV)/python -m cli.documents.reference

json-schemas: setup-test ## the schemas of what commands print with --json: docs/json/
	$(VENV)/python -m cli.documents.catalogue

lock: ## write the lock files anew (ARGS=--upgrade takes newer versions)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	$(COMPILE) --python-version 3.11 --extra data --extra local --extra test pyproject.toml \
		--output-file requirements/test.txt
	$(COMPILE) --python-version 3.11 $(TESTED) --extra data --extra local pyproject.toml \
		--output-file requirements/run.txt
	$(COMPILE) --python-version 3.11 --group substrate --output-file requirements/substrate.txt
	$(COMPILE) --python-version 3.13 $(TESTED) pyproject.toml --output-file src/requirements.txt
	sed -n 's/^spark = \["\(.*\)"\]$$/\1/p' pyproject.toml | \
		$(COMPILE) --python-version 3.11 $(TESTED) - --output-file requirements/spark.txt
	sed -n 's/^bench = \[\(.*\)\]$$/\1/p' pyproject.toml | tr ',' '\n' | tr -d '" ' | \
		$(COMPILE) --python-version 3.11 $(TESTED) - --output-file requirements/bench.txt
	sed -n 's/^samples = \[\(.*\)\]$$/\1/p' pyproject.toml | tr ',' '\n' | tr -d '" ' | \
		$(COMPILE) --no-deps --python-version 3.11 - --output-file requirements/samples.txt
	{ sed -n 's|.*/wheels/\([a-z]*\)-\([0-9.]*\)-cp39-.*|\1==\2|p' template.yaml; echo boto3; } | \
		$(subst --universal,,$(COMPILE)) --python-version 3.9 - \
		--output-file requirements/glue-python-shell.txt
	printf 'duckdb\nsqlglot\nbackports.zstd\n' | $(COMPILE) --python-version 3.13 $(TESTED) - \
		--output-file layers/data/requirements.txt

clean: ## remove what make has made: environments, state of the local cloud, caches
	rm -rf .venv .venv-substrate .venv-glue .local .aws-sam .pytest_cache .mypy_cache .ruff_cache build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
