# `make deploy` and `make test` do all of their own set-up. Needed: Python 3.11 to 3.13, git, make.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# uv reads no pip configuration: it is told the index that pip would ask, and trusts the CAs the system trusts.
UV_INSTALL = index=$$($(BIN)/python -m pip config list | sed -nE "s/^(global|install|:env:)\.index-url='(.+)'$$/\2/p" | tail -n 1); \
	UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(VENV) \
	env $${index:+UV_DEFAULT_INDEX=$$index} $(BIN)/uv pip install --quiet --require-hashes --build-constraint requirements/installer.txt --requirement

# Ansible and pandas, which the bench compares with, have an environment of their own.
PEERS := .venv-peers

# The packages of what `make test-vm` runs.
VM_PACKAGES := qemu-system-x86 qemu-utils e2fsprogs mmdebstrap debian-archive-keyring apt-cacher-ng openssh-client

.PHONY: help venv deploy test unit integration e2e test-vm lint lock bench clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/uv: requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
	  echo "$(PYTHON) is $$($(PYTHON) --version), and 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	if ! $(PYTHON) -c 'import ensurepip' 2>/dev/null; then
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	  echo "$(PYTHON) cannot make environments: installing $$package"
	  $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq "$$package"
	fi
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/installer.txt
	touch $@

$(VENV)/.deploy: $(BIN)/uv requirements/deploy.txt
	@echo "Installing pyinfra and what it needs into $(VENV)"
	$(UV_INSTALL) requirements/deploy.txt
	touch $@

$(VENV)/.dev: $(VENV)/.deploy requirements/dev.txt
	@echo "Installing Airflow, the pipelines' libraries and the test tools into $(VENV)"
	$(UV_INSTALL) requirements/dev.txt
	touch $@

venv: $(VENV)/.deploy ## make .venv with uv, pyinfra and the rest

deploy: $(VENV)/.deploy ## put the stack on this machine, or bring it up to date
	@$(BIN)/pyinfra -y inventory.py deploy.py --limit @local

test: lint unit integration e2e ## all that CI runs

lint: $(VENV)/.dev ## check style, types, shell, Dockerfile and YAML
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/mypy deploy.py # by its name: the package of that name hides it
	# A script of deploy/scripts is checked as it runs: behind those it uses. Not each uses all that these define, and
	# they use what it defines.
	for script in $$(grep -l '^# Uses: ' deploy/scripts/*.sh); do
	  parts=$$(sed -nE 's/^# Uses: (.*)/\1/p' "$$script" | tr ' ' '\n' | sed 's|.*|deploy/scripts/&.sh|')
	  cat $$parts "$$script" | $(BIN)/shellcheck --exclude SC2034,SC2154,SC2329 - || {
	    echo "in $$script, lines counted from the top of" $$parts >&2; exit 1; }
	done
	$(BIN)/shellcheck .ci/run bench/peers/ansible/archive files/airflow/healthcheck files/airflow/workspace files/postgres/docker-entrypoint.sh \
	  tests/e2e/vm/customize tests/e2e/vm/rootfs/usr/sbin/first-process
	$(BIN)/hadolint files/airflow/Dockerfile
	$(BIN)/yamllint --strict dvc.yaml params.yaml bench/peers/ansible/playbook.yml examples

unit: $(VENV)/.dev ## run the tests that need no machine
	@$(BIN)/pytest tests/unit --numprocesses 2

integration: $(VENV)/.dev ## run the pipelines by DVC and by Airflow, without a stack
	@$(BIN)/pytest tests/integration --numprocesses 2

e2e: $(VENV)/.dev ## run the tests that deploy to disposable machines, and to this one
	@$(BIN)/pytest tests/e2e --numprocesses 2 --durations 25

test-vm: $(VENV)/.dev ## deploy to a booted virtual machine; slow where there is no KVM
	@for program in qemu-system-x86_64 qemu-img mkfs.ext4 mmdebstrap /usr/sbin/apt-cacher-ng ssh; do
	  command -v $$program >/dev/null || missing+="$$program "
	done
	if [ -n "$${missing:-}" ]; then
	  echo "missing: $$missing" >&2
	  echo "apt-get install --no-install-recommends $(VM_PACKAGES)" >&2
	  exit 1
	fi
	# 7.2, of Debian 12, computes wrong flags in emulation: programs crash, and then the kernel.
	if dpkg --compare-versions "$$(qemu-system-x86_64 --version | sed -nE '1s/.*version ([0-9.]+).*/\1/p')" lt 10; then
	  echo "QEMU 10 or later is needed; Debian 12 has it in bookworm-backports: apt-get install -t bookworm-backports qemu-system-x86 qemu-utils" >&2
	  exit 1
	fi
	$(BIN)/pytest tests/vm --capture=no

# Here VENV is another one, in UV_INSTALL as well; BIN stays, so that the uv that is there does it.
$(PEERS)/.ready: private VENV := $(PEERS)
$(PEERS)/.ready: $(BIN)/uv bench/peers/requirements.txt
	@echo "Installing Ansible and pandas into $(PEERS)"
	$(PYTHON) -m venv --without-pip --clear $(PEERS)
	$(UV_INSTALL) bench/peers/requirements.txt
	touch $@

bench: $(VENV)/.dev $(PEERS)/.ready ## measure what docs/performance.md states, beside Ansible and pandas doing the same
	@$(BIN)/python -m bench.figures $(ONLY)

lock: $(BIN)/uv ## resolve requirements/*.txt anew from pyproject.toml
	@lock() { UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" "$$@"; }
	lock --group dev --output-file requirements/dev.txt pyproject.toml
	lock --constraint requirements/dev.txt --output-file requirements/deploy.txt pyproject.toml
	for group in airflow image installer; do
	  lock --constraint requirements/dev.txt --group $$group --output-file requirements/$$group.txt
	done
	lock --constraint requirements/dev.txt --group peers --output-file bench/peers/requirements.txt

clean: ## remove what make made in this checkout
	rm -rf $(VENV) $(PEERS) .pytest_cache .ruff_cache .mypy_cache
