# Savepoint. `make help` lists the commands.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

$(READY): requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Savepoint needs Python 3.11 or newer; name one with PYTHON=/path/to/python3.x" >&2; exit 1; }
	@echo "Setting up $(VENV) (once; a minute or two) ..." >&2
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "This Python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt >&2
	@$(BIN)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "savepoint-checkout.pth").write_text("$(CURDIR)\n$(CURDIR)/protos/gen\n")'
	@touch $@

.PHONY: setup
setup: $(READY) ## make the virtual environment (every command does it when needed)

.PHONY: up
up: $(READY) ## run everything on this machine until Ctrl-C (DETACH=1: return when it is up; REPLICAS=2: two of each service)
	@$(BIN)/python -m deploy.local up $(if $(DETACH),--detach)

.PHONY: down
down: $(READY) ## stop what `make up` started
	@$(BIN)/python -m deploy.local down

.PHONY: status
status: $(READY) ## show the health, address and memory of every part (JSON=1: as JSON)
	@$(BIN)/python -m deploy.local status $(if $(JSON),--json)

.PHONY: doctor
doctor: $(READY) ## say what is ill in the stores, services and gateway, and what to do (JSON=1: as JSON)
	@$(BIN)/python -m deploy.doctor $(if $(JSON),--json)

.PHONY: demo
demo: $(READY) ## play 49,520 real matches through the gateway (DEMO_FILE= DEMO_LIMIT= JSON=1)
	@$(BIN)/python -m examples.internationals $(if $(JSON),--json)

.PHONY: test
test: $(READY) ## run the tests, on real stores of their own (ARGS= names some; ARGS="-n 0 …": in one process)
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup $(ARGS)

.PHONY: test-stores
test-stores: $(READY) ## what every store must do, on every database that can be had here (ARGS='--on "PostgreSQL 16"': on one)
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup tests/conformance --every-database --thorough $(ARGS); \
	  code=$$?; $(BIN)/python -m tests.conformance; exit $$code

.PHONY: test-thorough
test-thorough: $(READY) ## the tests that take minutes: failovers, lagging replicas, moving slots, under load
	@$(BIN)/python -m pytest -n 0 --thorough -m thorough tests/integration tests/e2e $(ARGS)

# $(call option,NAME,VARIABLE): --NAME VALUE where the variable was given. SECONDS is bash's own, so it is taken only from
# the command line.
option = $(if $(filter command line,$(origin $(2))),--$(1) '$($(2))')
NARROWED = $(call option,ops,OPS) $(call option,callers,CALLERS) $(call option,via,VIA) $(call option,seconds,SECONDS) \
  $(call option,rounds,ROUNDS) $(call option,players,PLAYERS) $(call option,entries,ENTRIES) $(call option,host,HOST)

.PHONY: bench
bench: $(READY) ## measure every operation (OPS= CALLERS= VIA=service SECONDS= ROUNDS= PLAYERS= ENTRIES= HOST=)
	@$(BIN)/python -m bench suite $(NARROWED)

.PHONY: bench-check
bench-check: $(READY) ## compare with the committed ratios: what is worse by more than 15 % fails (options as make bench)
	@$(BIN)/python -m bench check $(NARROWED)

.PHONY: profile
profile: $(READY) ## a flame graph of one operation at its service: SERVICE=leaderboard OP=SubmitScore
	@$(BIN)/python -m bench profile $(call option,service,SERVICE) $(call option,op,OP) $(call option,seconds,SECONDS) \
	  $(call option,callers,CALLERS)

.PHONY: interop
interop: $(READY) ## run gRPC's official cases with grpcio, grpc-js and grpc-go (needs npm, and Debian's grpc-go)
	@$(BIN)/python -m tests.interop

# The clients' buf.gen.yaml finds its plugins on the PATH, or in the client's own packages.
.PHONY: stubs
stubs: $(READY) ## generate the stubs for another language: FOR=go or FOR=typescript (docs/clients.md says what it needs)
	@test -f "examples/clients/$(FOR)/buf.gen.yaml" || { echo "name the language: make stubs FOR=go or FOR=typescript" >&2; exit 1; }
	@rm -rf examples/clients/$(FOR)/stubs && cd examples/clients/$(FOR) && $(CURDIR)/$(BIN)/buf generate

.PHONY: clients
clients: $(READY) ## build and run the example clients in Go, TypeScript and C# (docs/clients.md says what they need)
	@$(BIN)/python -m tests.support.clients
	@CLIENTS_REQUIRED=1 $(BIN)/python -m pytest -q tests/e2e/test_clients.py

.PHONY: check
check: $(READY) ## format, lint, types, protos, and that the committed stubs are the protos' own
	@$(BIN)/ruff format --check --quiet . || { echo "not formatted; run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/buf lint protos
	@$(BIN)/buf build protos --path protos/savepoint -o - | $(BIN)/buf breaking - --exclude-imports --against $(LAST_RELEASE)
	@$(MAKE) --no-print-directory protos OUT=$$(mktemp -d) CHECK=1
	@echo "check: all good" >&2

.PHONY: format
format: $(READY) ## format the code and mend what the linter can
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format .

.PHONY: lock
lock: $(READY) ## pin what requirements*.in and deploy/patroni/requirements.in name anew
	@for name in requirements requirements-dev requirements-doctor deploy/patroni/requirements; do \
	  $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes \
	    --no-header $(ARGS) $$name.in -o $$name.txt; done

# What the protos may not break: the contract as the last release has it.
LAST_RELEASE := protos/releases/0.2.0.binpb

.PHONY: release-protos
release-protos: $(READY) ## keep the contract as release V=1.2.3 has it; then name the file as LAST_RELEASE above
	@test -n "$(V)" || { echo "name the release: make release-protos V=1.2.3" >&2; exit 1; }
	@$(BIN)/buf build protos --path protos/savepoint --exclude-source-info -o protos/releases/$(V).binpb

OUT ?= protos/gen
# The interop tests' own stubs lie beside their proto.
INTEROP_PROTO := tests/interop/protos/interop.proto
INTEROP_OUT    = $(if $(CHECK),$(abspath $(OUT)),.)

.PHONY: protos
protos: $(READY) ## generate the stubs, from protos/ into protos/gen, and the interop tests' own
	@rm -rf $(OUT) && mkdir -p $(OUT)
	@cd protos && PATH="$(CURDIR)/$(BIN):$$PATH" $(CURDIR)/$(BIN)/python -m grpc_tools.protoc -I. -Ithird_party \
	  --python_out=$(abspath $(OUT)) --pyi_out=$(abspath $(OUT)) --grpc_python_out=$(abspath $(OUT)) \
	  --mypy_grpc_out=quiet:$(abspath $(OUT)) --include_imports --descriptor_set_out=$(abspath $(OUT))/savepoint.binpb \
	  $$(find savepoint -name '*.proto' | LC_ALL=C sort)
	@cd protos/third_party && $(CURDIR)/$(BIN)/python -m grpc_tools.protoc -I. --python_out=$(abspath $(OUT)) \
	  --pyi_out=$(abspath $(OUT)) buf/validate/validate.proto
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc -I. --python_out=$(INTEROP_OUT) \
	  --pyi_out=$(INTEROP_OUT) --grpc_python_out=$(INTEROP_OUT) --mypy_grpc_out=quiet:$(INTEROP_OUT) $(INTEROP_PROTO)
	@$(if $(CHECK),diff -r -x __pycache__ -x tests $(OUT) protos/gen >&2 && \
	  diff -r -x __pycache__ -x '*.proto' $(OUT)/tests/interop/protos tests/interop/protos >&2 || \
	  { echo "the committed stubs are not what the protos generate; run: make protos" >&2; exit 1; }; rm -rf $(OUT))

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
