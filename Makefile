# `make deploy` and `make test` do all of their own set-up. Needed: Python 3.11 to 3.13, git, make; to install the rest,
# Debian, and root or sudo.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# uv reads no pip configuration: it is told the index that pip would ask, and trusts the CAs the system trusts.
UV_INSTALL = index=$$($(BIN)/python -m pip config list | sed -nE "s/^(global|install|:env:)\.index-url='(.+)'$$/\2/p" | tail -n 1); \
	UV_COMPILE_BYTECODE=1 UV_SYSTEM_CERTS=1 UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(VENV) \
	env $${index:+UV_DEFAULT_INDEX=$$index} $(BIN)/uv pip install --quiet --require-hashes --build-constraint requirements/installer.txt --requirement

# Ansible and pandas, which the bench compares with, have an environment of their own.
PEERS := .venv-peers

# What the tests use of Debian, beside Python's packages. Those that need no machine: LightGBM's library, an sshd to deploy
# by, network namespaces, keys. Those that deploy: machines, what these download over and over, a scan, a browser.
UNIT_PACKAGES := libgomp1 openssh-client openssh-server sudo iproute2 gpg
E2E_PACKAGES := mmdebstrap debian-archive-keyring apt-cacher-ng nmap chromium fonts-dejavu-core
VM_PACKAGES := qemu-system-x86 qemu-utils e2fsprogs mmdebstrap debian-archive-keyring apt-cacher-ng openssh-client

.PHONY: help venv deploy test check unit integration e2e e2e-slow test-vm lint lock bench clean docs docker unit-packages e2e-packages vm-packages

# Gives `install_missing`, which installs the packages of Debian that are missing, and says so. What they would start stays
# off: the tests start what they need of it themselves.
define INSTALL
install_missing() {
  local missing=() package
  for package; do
    [ "$$(dpkg-query --show --showformat '$${db:Status-Status}' "$$package" 2>/dev/null)" = installed ] || missing+=("$$package")
  done
  [ $${#missing[@]} != 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "This is no Debian, so these are not installed: $${missing[*]}" >&2
    return 0
  fi
  echo "Installing $${missing[*]}$(if $(SUDO),; sudo may ask for your password)"
  if [ -d /run/systemd/system ]; then
    case " $${missing[*]} " in *' apt-cacher-ng '*) $(SUDO) systemctl mask --quiet apt-cacher-ng.service 2>/dev/null ;; esac
    case " $${missing[*]} " in *' openssh-server '*) $(SUDO) systemctl mask --quiet ssh.service ssh.socket 2>/dev/null ;; esac
  fi
  $(SUDO) apt-get -qq -o DPkg::Lock::Timeout=300 update
  $(SUDO) env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -qq -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$${missing[@]}" </dev/null >/dev/null
}
endef

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/uv: requirements/installer.txt
	@$(INSTALL)
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || {
	  echo "$(PYTHON) is $$($(PYTHON) --version), and 3.11 to 3.13 is needed: make PYTHON=/path/to/python3.13" >&2; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null ||
	  install_missing $$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
	[ -e /etc/ssl/certs/ca-certificates.crt ] || install_missing ca-certificates
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

# What is to be installed is, first: where it is missing, some unit tests are skipped.
test: unit-packages e2e-packages docker check integration e2e ## all that CI runs; installs what that needs

check: lint unit ## style, types and the tests that need no machine: what to run after each change

unit-packages: private PACKAGES := $(UNIT_PACKAGES)
e2e-packages: private PACKAGES := $(E2E_PACKAGES)
vm-packages: private PACKAGES := $(VM_PACKAGES)
unit-packages e2e-packages vm-packages:
	@$(INSTALL)
	install_missing $(PACKAGES)

docker: $(VENV)/.deploy
	@! $(SUDO) docker version >/dev/null 2>&1 || exit 0
	echo "Installing Docker, as a deploy does$(if $(SUDO),; sudo may ask for your password)"
	$(BIN)/pyinfra -y inventory.py deploy.docker.install --limit @local

lint: $(VENV)/.dev ## check style, types, shell, Dockerfile and YAML
	@$(BIN)/ruff check --quiet .
	$(BIN)/ruff format --quiet --check .
	$(BIN)/mypy
	$(BIN)/mypy deploy.py # by its name: the package of that name hides it
	# Programs are text behind assignments and preludes: these assign what a program uses, and use what it assigns.
	find deploy -name '*.sh' -exec $(BIN)/shellcheck --exclude SC2034,SC2154,SC2329 {} +
	$(BIN)/shellcheck .ci/run bench/peers/ansible/archive files/images/healthcheck files/images/workspace files/base_images/docker-entrypoint.sh \
	  tests/e2e/vm/customize tests/e2e/vm/rootfs/usr/sbin/first-process
	$(BIN)/hadolint files/images/Dockerfile
	$(BIN)/python docs/generate.py --check
	$(BIN)/yamllint --strict dvc.yaml params.yaml bench/peers/ansible/playbook.yml examples

docs: $(VENV)/.deploy ## write docs/settings.md and docs/steps.md from the code
	@$(BIN)/python docs/generate.py

unit: unit-packages $(VENV)/.dev ## run the tests that need no machine
	@$(BIN)/pytest tests/unit --numprocesses 2

integration: unit-packages $(VENV)/.dev ## run the pipelines by DVC and by Airflow, without a stack
	@$(BIN)/pytest tests/integration --numprocesses 2

# As root, who can make the machines.
E2E = $(SUDO) $(BIN)/pytest tests/e2e --numprocesses 2 $(if $(SUDO),-p no:cacheprovider)

e2e: unit-packages e2e-packages docker $(VENV)/.dev ## run the tests that deploy to disposable machines, and to this one
	@$(E2E) -m 'not slow'

e2e-slow: unit-packages e2e-packages docker $(VENV)/.dev ## run those that take longest: before a release, or a change to what they test
	@$(E2E) -m slow

test-vm: vm-packages $(VENV)/.dev ## deploy to a booted virtual machine; slow where there is no KVM
	@# 7.2, of Debian 12, computes wrong flags in emulation: programs crash, and then the kernel.
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
