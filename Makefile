# Targets for people; `make` alone lists them. The work is done by packaging/dev/ and tests/lanes.py.

BOOTSTRAP := packaging/dev/bootstrap
VENV := .venv/bin
export PATH := $(PATH):/usr/sbin:/sbin
MAKEFLAGS += --no-print-directory

.DEFAULT_GOAL := help
.PHONY: help run test test-server check lint unit format schema catalog golden states faults bench vm install uninstall clean

help: ## this list
	@echo 'secmarkd: labels packets for SELinux from a label map in /etc. Targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

run: ## show the main job for real, in a network namespace of its own (root)
	@$(BOOTSTRAP) run
	@PYTHONPATH=daemon "$$($(BOOTSTRAP) python)" packaging/dev/demo

test: ## every lane: lint, unit, contract, netns, slow, vm (root; about half an hour)
	@$(BOOTSTRAP) test
	@$(VENV)/python tests/lanes.py

test-server: ## services of a Debian server in enforcing, in a machine with all of them (root; builds it the first time)
	@$(BOOTSTRAP) test
	@$(VENV)/python tests/lanes.py server

check: ## the fast lanes: lint, unit, contract, netns
	@$(BOOTSTRAP) check
	@$(VENV)/python tests/lanes.py lint unit contract netns

lint: ## ruff, mypy and the layers of imports; on any distribution with Python 3.11
	@$(BOOTSTRAP) lint
	@$(VENV)/python tests/lanes.py lint

unit: ## the unit tests; on any distribution with Python 3.11
	@$(BOOTSTRAP) lint
	@$(VENV)/python tests/lanes.py unit

format: ## format the source in place
	@$(BOOTSTRAP) lint
	@$(VENV)/ruff check --quiet --fix-only
	@$(VENV)/ruff format

schema: ## write the JSON Schema files of config/ from the models
	@$(BOOTSTRAP) lint
	@PYTHONPATH=daemon $(VENV)/python packaging/dev/generate/schema.py

catalog: ## write systemd/secmarkd.catalog from the events
	@$(BOOTSTRAP) lint
	@PYTHONPATH=daemon $(VENV)/python packaging/dev/generate/catalog.py > systemd/secmarkd.catalog

golden: ## write what the golden cases of tests/golden expect
	@$(BOOTSTRAP) lint
	@GOLDEN=write $(VENV)/pytest -q -n0 tests/unit/compiler/test_golden.py tests/unit/config/test_golden.py

states: ## draw the service's states in ARCHITECTURE.md
	@$(BOOTSTRAP) lint
	@PYTHONPATH=daemon $(VENV)/python packaging/dev/generate/states.py

faults: ## write tests/FAULTS.md from tests/faults.toml and the marks on the tests
	@python3 packaging/dev/generate/faults.py

sentences: ## write tests/golden/sentences/ from the source, to read the English as a whole
	@python3 packaging/dev/generate/sentences.py

bench: ## the figures, as ratios against a baseline of the same run (root)
	@$(BOOTSTRAP) check
	@$(VENV)/python -m tests.bench

vm: ## a shell in the SELinux machine (root; builds it the first time)
	@$(BOOTSTRAP) test
	@$(VENV)/python tests/vm/shell.py

# What stands on the command line of make (DESTDIR=…, VENDOR=…, CLEAR=…) is in the environment of both.
install: ## install for the system; packagers: DESTDIR=, and VENDOR=yes for pydantic in it
	@packaging/dev/install install

uninstall: ## remove what install put there; /etc stays, and so do the labels unless CLEAR=yes
	@packaging/dev/install uninstall

clean: ## remove what was built here, .venv included; the virtual machine's image stays in its cache
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache daemon/*.egg-info
	@find daemon tests -name __pycache__ -type d -prune -exec rm -rf {} +
