# Two commands do all of their own set-up: `make course` and `make test`.
# Every recipe is one plain `python -m ...` command, which works without make too.

PYTHON ?= python3
# Lessons at the same time, and tests, which often wait: three keep two cores busy.
WORKERS ?= 2
TEST_WORKERS ?= 3
# Some lessons only: make course LESSONS="01 02"
LESSONS ?=

PY := .venv/bin/python
# .venv keeps the Python that it was made with, until another one is asked for.
ASKED := $(if $(filter command environment,$(firstword $(origin PYTHON))),--python "$(PYTHON)")

.DEFAULT_GOAL := help
.PHONY: help course site test lab restore lint bench crash outputs diagrams exercises
.PHONY: lock install zip clean status reset
.PHONY: with-dev with-docs find-python

course: with-docs ## run every lesson; read the result in build/index.html
	@$(PY) -m course run --workers $(WORKERS) $(LESSONS)

site: with-docs ## make the pages of the stored lessons, without running them
	@$(PY) -m course site

test: with-dev ## run all tests, lessons included
	@$(PY) -m pytest -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

lab: install ## open JupyterLab with your copies of the lessons (LESSONS=03)
	@$(PY) -m course lab $(LESSONS) -- $(ARGS)

restore: install ## bring your copies of a lesson to their first state (LESSONS=03)
	@$(PY) -m course restore $(LESSONS)

status: install ## the stand-in for AWS: does it run, for whom, what is in it
	@$(PY) -m local_aws status

reset: install ## remove what is in the stand-in (ARGS=--yes: without asking)
	@$(PY) -m local_aws reset $(ARGS)

lint: with-dev ## check code and lessons without running them
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m course lint $(LESSONS)

bench: with-dev ## measure ours next to floors and peers (ARGS="1 9": these lines only)
	@$(PY) -m benchmarks $(ARGS)

crash: with-dev ## kill the stand-in 200 times at work and look whether anything is lost
	@$(PY) tests/crash_run.py --kills 200 $(ARGS)

outputs: with-dev ## run lessons and store what they print in notebooks/
	@$(PY) -m course outputs --workers $(WORKERS) $(LESSONS)

diagrams: install ## draw the lessons' diagrams into notebooks/images/
	@$(PY) -m course diagrams

exercises: with-dev ## make the students' copies; prove that all checks work
	@$(PY) -m course exercises --workers $(WORKERS) $(LESSONS)

lock: with-dev ## resolve the requirements again (ARGS=--upgrade: newer versions)
	@$(PY) -m course lock $(ARGS)

zip: find-python ## pack the course into one file, to be uploaded or handed on
	@"$(PYTHON)" -m course zip

install: find-python ## make .venv; the other commands do this by themselves
	@"$(PYTHON)" -m course install $(ASKED)

with-dev: find-python
	@"$(PYTHON)" -m course install --dev --docs $(ASKED)

with-docs: find-python
	@"$(PYTHON)" -m course install --docs $(ASKED)

find-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not on this machine:" \
	  "the course needs Python 3.11 to 3.14 (make PYTHON=python3.N ...)." >&2; exit 2; }

clean: ## delete build/ and caches; .venv and the stand-in's state (.local_aws) stay
	@"$(PYTHON)" -m course clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' \
	  $(MAKEFILE_LIST)
