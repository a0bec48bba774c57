# `make demo` runs the whole loop, `make test` every test. Both install first what they need.
# The first Python that runs and has a supported version. A name alone proves nothing: pyenv puts one in the path for
# every version it knows.
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))
PYTHON ?= $(shell for name in python3.12 python3.11 python3; do \
  $$name -c '$(FITS)' >/dev/null 2>&1 && exec echo $$name; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export UV_COMPILE_BYTECODE = 1

.PHONY: help setup images demo check test lint bench-batch bench-gate bench-images bench-imports soak-kills soak-landing soak-releases soak-sigterm bench-monitor bench-quality bench-serve bench-steady bench-train fidelity fuzz-serve prove-release check-stage preflight plan deploy destroy promote verify drift connect lock sbom audit clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(READY) ## install everything into .venv

# LightGBM needs an OpenMP runtime. If the system has none, use scikit-learn's own copy (Linux).
NATIVE := $(CURDIR)/$(VENV)/native
GIVEN_PATH := $(LD_LIBRARY_PATH)
export LD_LIBRARY_PATH = $(shell test -d $(NATIVE) && echo $(NATIVE):)$(GIVEN_PATH)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c '$(FITS)' || \
	  { echo "Python 3.11 or 3.12 is needed, and $(PYTHON) is neither: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "this Python cannot create environments: install its venv module (Debian: apt-get install python3-venv)"; exit 1; }
	@echo "installing into $(VENV) (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' requirements.lock)"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group dev --constraint requirements.lock --require-hashes --exact
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -c 'import lightgbm' 2>/dev/null || $(MAKE) --no-print-directory openmp
	@touch $@

.PHONY: openmp
openmp:
	@mkdir -p $(NATIVE) && ln -sf $$(ls $(CURDIR)/$(VENV)/lib/python3.*/site-packages/scikit_learn.libs/libgomp*) $(NATIVE)/libgomp.so.1
	@LD_LIBRARY_PATH=$(NATIVE) $(BIN)/python -c 'import lightgbm' || \
	  { rm -rf $(NATIVE); echo "LightGBM finds no OpenMP: apt-get install libgomp1, or on macOS brew install libomp"; exit 1; }

# Docker's builder reads images/NAME/Dockerfile.dockerignore by itself.
BUILDER ?= $(shell for name in docker buildah; do command -v $$name >/dev/null && exec echo $$name; done)
images: $(if $(STAGE),push-images,build-images) ## build the three images, and push them to a stage: make images [STAGE=dev] [BUILDER=buildah]

.PHONY: build-images push-images
build-images:
	@test -n "$(BUILDER)" || { echo "no builder: install Docker or buildah (Debian: apt-get install buildah podman)"; exit 1; }
	@for name in train serve worker; do \
	  echo "building credit-$$name with $(BUILDER)" && $(BUILDER) build --file images/$$name/Dockerfile \
	    $$(test $(notdir $(BUILDER)) = docker || echo --format docker --ignorefile images/$$name/Dockerfile.dockerignore) \
	    --tag localhost/credit-$$name:latest . || exit 1; done

push-images: $(READY)
	@$(BIN)/python -m deployments images $(STAGE) --builder "$(BUILDER)"

# CONTAINERS=1 starts the images that `make images` has built, in place of their processes.
RUNNER ?= $(shell for name in podman docker; do command -v $$name >/dev/null && exec echo $$name; done)
demo: $(READY) ## run the whole loop here: make demo [DATA=file PORTFOLIO=name] [EXIT=1] [SUMMARY=file.json] [CONTAINERS=1]
	@$(if $(CONTAINERS),SANDBOX_CONTAINERS=$(or $(RUNNER),podman)) $(BIN)/python -m sandbox demo $(if $(DATA),--data "$(DATA)") $(if $(PORTFOLIO),--portfolio "$(PORTFOLIO)") \
	  $(if $(EXIT),--exit) $(if $(SUMMARY),--json "$(SUMMARY)")

# Modules whose docstrings hold examples; the examples run with the tests.
PRODUCT := credit_model tasks flows images deployments sandbox

check: $(READY) lint ## lint, types, unit tests and doctests, without a network: run it while you work
	@$(BIN)/python -m pytest -n 2 -m "not integration and not slow" --doctest-modules $(PRODUCT) tests

test: $(READY) lint ## check style and types, then run every test and doctest
	@$(BIN)/python -m pytest -n 2 --dist loadgroup --doctest-modules $(PRODUCT) tests

lint: $(READY) ## ruff and mypy
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

bench-train: $(READY) ## training beside bare LightGBM: make bench-train [ROWS=1000000]
	@$(BIN)/python -m benchmarks.train $(if $(ROWS),--rows $(ROWS))

bench-gate: $(READY) ## how often the gate is wrong, on simulated pairs of models: make bench-gate [PAIRS=400]
	@$(BIN)/python -m benchmarks.gate $(if $(PAIRS),--pairs $(PAIRS))

bench-lookup: $(READY) ## what a request by id adds to its look-up in DynamoDB: make bench-lookup [ROUNDS=5]
	@$(BIN)/python -m benchmarks.lookup $(if $(ROUNDS),--rounds $(ROUNDS))

bench-monitor: $(READY) ## how often monitoring raises a false alarm, and what drift it sees: make bench-monitor [SEEDS=50]
	@$(BIN)/python -m benchmarks.monitor $(if $(SEEDS),--seeds $(SEEDS))

bench-batch: $(READY) ## what batch scoring costs against Booster.predict alone: make bench-batch [ROWS=1000000]
	@test -x $(BENCH)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(BENCH)
	@$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --group bench --constraint requirements.lock --require-hashes
	@BENCH_PYTHON=$(BENCH)/bin/python $(BIN)/python -m benchmarks.batch $(if $(ROWS),--rows $(ROWS)) $(if $(LONG),--long)

# The rivals get an environment of their own, because the platform's holds only what the platform runs.
BENCH := .venv-bench
bench-quality: $(READY) ## our models against others on UCI and the simulated case: make bench-quality [UCI_CSV=file]
	@test -x $(BENCH)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(BENCH)
	@$(BIN)/uv pip install --quiet --python $(BENCH)/bin/python --group bench --constraint requirements.lock --require-hashes
	@$(BENCH)/bin/python -m benchmarks.quality $(if $(ROWS),--rows $(ROWS))

bench-serve: $(READY) ## our server against others with the same model (needs wrk): make bench-serve [SECONDS_EACH=5]
	@$(BIN)/python -m benchmarks.serve $(if $(SECONDS_EACH),--seconds $(SECONDS_EACH))

bench-images: $(READY) ## each image in a clean environment: MB installed, entry point, the tests of the server; five minutes
	@$(BIN)/python -m benchmarks.images

bench-imports: $(READY) ## how long each flow takes to import, beside prefect and awswrangler
	@$(BIN)/python -m benchmarks.imports

soak-landing: $(READY) ## fifty files in a minute, each ingested once, one training; ten minutes: make soak-landing [FILES=50]
	@$(BIN)/python -m benchmarks.soak.landing $(if $(FILES),--files $(FILES))

soak-kills: $(READY) ## flows killed at random moments and run again, a quarter of an hour: make soak-kills [KILLS=20] [SEED=7]
	@$(BIN)/python -m benchmarks.soak.kills $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

soak-sigterm: $(READY) ## SIGTERM at 20 moments of each built image's life (needs make images): make soak-sigterm [MOMENTS=20]
	@$(BIN)/python -m benchmarks.soak.sigterm --engine $(or $(notdir $(RUNNER)),podman) $(if $(MOMENTS),--moments $(MOMENTS))

fidelity: $(READY) ## how near the sandbox is to AWS: make fidelity [SUITES=folder of others' sources] [PROBES=file.json]
	@$(BIN)/python -m tests.sandbox.fidelity.sql $(PROBES)
	@$(BIN)/python -m tests.sandbox.fidelity.tables
	@$(BIN)/python -m tests.sandbox.fidelity.services
	@$(if $(SUITES),$(BIN)/python -m tests.sandbox.fidelity.suites "$(SUITES)")

prove-release: $(READY) ## the protocol of a release in many thousand histories, in simulated time (an hour)
	@RELEASE_PROOF=thorough $(BIN)/python -m pytest -n 2 tests/tasks/release/test_protocol.py

soak-releases: $(READY) ## bad challengers, faults of the cluster, kills: make soak-releases [KILLS=30] [RATE=200] [SEED=7] [DELAY=1.5]
	@$(BIN)/python -m benchmarks.soak.releases $(if $(KILLS),--kills $(KILLS)) $(if $(RATE),--rate $(RATE)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(DELAY),--delay $(DELAY))

bench-steady: $(READY) ## a minute at nine tenths of the server's capacity, and cold starts (needs wrk)
	@$(BIN)/python -m benchmarks.serve.steady

fuzz-serve: $(READY) ## 20,000 broken requests to the server; none may be answered with 5xx: make fuzz-serve [REQUESTS=20000]
	@$(BIN)/python -m benchmarks.serve.fuzz $(if $(REQUESTS),--requests $(REQUESTS))

STAGE_NAMED = $(if $(STAGE),,$(error say which stage: make $@ STAGE=dev))

check-stage: $(READY) ## whether a stage's file is complete, without AWS: make check-stage STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments check $(STAGE)

preflight: $(READY) ## what would stop a deploy: rights, quotas, secrets, tools: make preflight STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments preflight $(STAGE)

plan: $(READY) ## what deploy would change on AWS, changing nothing: make plan STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments plan $(STAGE)

deploy: $(READY) ## make or update a stage on AWS, in order; safe to repeat: make deploy STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments deploy $(STAGE)

destroy: $(READY) ## take a stage down: make destroy STAGE=dev YES=1 [DATA=1]
	$(STAGE_NAMED)@$(BIN)/python -m deployments destroy $(STAGE) $(if $(YES),--yes) $(if $(DATA),--with-data)

promote: $(READY) ## copy the images that a stage runs to another, by digest: make promote FROM=dev STAGE=prod [FROM_PROFILE=dev]
	$(STAGE_NAMED)$(if $(FROM),,$(error say whose images: make promote FROM=dev STAGE=prod))@$(BIN)/python -m deployments promote $(STAGE) --from $(FROM) --from-profile $(or $(FROM_PROFILE),$(FROM))

verify: $(READY) ## whether a deployed stage works: worker, network, events, endpoints, roles: make verify STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments verify $(STAGE)

drift: $(READY) ## what somebody has changed past CloudFormation: make drift STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments drift $(STAGE)

connect: $(READY) ## set a stage's variables and work pool in Prefect (PrefectApiUrl in the stage's file): make connect STAGE=dev
	$(STAGE_NAMED)@$(BIN)/python -m deployments connect $(STAGE)

lock: $(READY) ## write requirements.lock from pyproject.toml; UPGRADE=1 takes newer versions where the project allows them
	@$(BIN)/uv pip compile pyproject.toml --group dev --group bench --group supply --universal --generate-hashes \
	  $(if $(UPGRADE),--upgrade) --custom-compile-command "make lock" --quiet --output-file requirements.lock

# Its own environment, because the platform's holds only what the platform runs. It asks the network, so no test runs it.
SUPPLY := .venv-supply
.PHONY: supply
supply: $(READY)
	@test -x $(SUPPLY)/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(SUPPLY)
	@$(BIN)/uv pip install --quiet --python $(SUPPLY)/bin/python --group supply --constraint requirements.lock --require-hashes

sbom: supply ## what the lock and each image hold, as CycloneDX, in sbom/
	@$(BIN)/python -m images.supply sbom --tools $(SUPPLY)/bin --to sbom

audit: supply ## known vulnerabilities of the lock; fails on any that images/exceptions.yaml does not explain
	@$(BIN)/python -m images.supply audit --tools $(SUPPLY)/bin

clean: ## remove the environment and the sandbox's state
	@rm -rf $(VENV) $(BENCH) $(SUPPLY) sbom .sandbox
