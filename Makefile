# Two commands: `make run` and `make test`. Nothing is needed before them but Python 3.11+ and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test check bench clean

run: .venv/run-ready
	$(BIN)/python manage.py init_lead_data
	exec $(BIN)/python manage.py serve

test: .venv/dev-ready
	scripts/check
	scripts/test

check: .venv/dev-ready
	scripts/check

bench: .venv/dev-ready
	scripts/bench --sizes 10000,1000000

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Lead CRM needs Python 3.11 or later; set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { rm -rf .venv; echo "Install venv first, for example: apt-get install python3-venv"; exit 1; }

.venv/run-ready: .venv/bin/python requirements.txt requirements-private-mongod.txt constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements.txt -r requirements-private-mongod.txt
	@touch $@

.venv/dev-ready: .venv/run-ready requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
