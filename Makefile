# Savepoint. `make help` lists the commands.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

$(READY): requirements-dev.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Savepoint needs Python 3.11 or newer; name one with PYTHON=/path/to/python3.x"; exit 1; }
	@echo "Setting up $(VENV) (once; about a minute) ..."
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "This Python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@$(BIN)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "savepoint-checkout.pth").write_text("$(CURDIR)\n$(CURDIR)/protos/gen\n")'
	@touch $@

.PHONY: setup
setup: $(READY) ## make the virtual environment (every command does it when needed)

.PHONY: protos
protos: $(READY) ## generate the stubs from protos/ into protos/gen
	@rm -rf protos/gen && mkdir -p protos/gen
	@cd protos && PATH="../$(BIN):$$PATH" ../$(BIN)/python -m grpc_tools.protoc -I. \
	  --python_out=gen --pyi_out=gen --grpc_python_out=gen --mypy_grpc_out=gen \
	  --include_imports --descriptor_set_out=gen/savepoint.binpb \
	  $$(find savepoint -name '*.proto' | LC_ALL=C sort)

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
