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
.PHONY: lock install zip clean cleanup status reset
.PHONY: with-dev with-docs find-python

course: with-docs ## run every lesson and make pages of them
	@$(PY) -m course run --workers $(WORKERS) $(LESSONS)

site: with-docs ## make pages of the stored lessons
	@$(PY) -m course site

test: with-dev ## run all tests, lessons included
	@$(PY) -m pytest -n $(TEST_WORKERS) --dist loadscope --no-loadscope-reorder $(ARGS)

lab: install ## open your copies of the lessons to work in
	@$(PY) -m course lab $(LESSONS) -- $(ARGS)

restore: install ## bring a lesson back to its first state
	@$(PY) -m course restore $(LESSONS)

cleanup: install ## show what runs have left, RUN= removes it
	@$(PY) -m course cleanup $(RUN) $(ARGS)

status: install ## show the stand-in for AWS and who uses it
	@$(PY) -m local_aws status

reset: install ## remove what is in the stand-in for AWS
	@$(PY) -m local_aws reset $(ARGS)

lint: with-dev ## check code and lessons without running them
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m course lint $(LESSONS)

bench: with-dev ## measure the speed next to floors and peers
	@$(PY) -m benchmarks $(ARGS)

crash: with-dev ## kill the stand-in 200 times, lose nothing
	@$(PY) tests/crash_run.py --kills 200 $(ARGS)

outputs: with-dev ## run lessons and store what they print
	@$(PY) -m course outputs --workers $(WORKERS) $(LESSONS)

diagrams: install ## draw the pictures of the lessons again
	@$(PY) -m course diagrams

exercises: with-dev ## make the students' copies, prove the checks
	@$(PY) -m course exercises --workers $(WORKERS) $(LESSONS)

lock: with-dev ## resolve the requirements again
	@$(PY) -m course lock $(ARGS)

zip: find-python ## pack the course into one file
	@"$(PYTHON)" -m course zip

install: find-python ## make .venv; the others do this themselves
	@"$(PYTHON)" -m course install $(ASKED)

with-dev: find-python
	@"$(PYTHON)" -m course install --dev --docs $(ASKED)

with-docs: find-python
	@"$(PYTHON)" -m course install --docs $(ASKED)

find-python:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(PYTHON) is not on this machine:" \
	  "the course needs Python 3.11 to 3.14 (make PYTHON=python3.N ...)." >&2; exit 2; }

clean: ## delete build/ and caches, no more
	@"$(PYTHON)" -m course clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' \
	  $(MAKEFILE_LIST)
	@echo 'Some lessons only: make course LESSONS="01 02"'
	@echo 'One lesson: make restore LESSONS=03'
	@echo 'One run: make cleanup RUN=k3x9ab'
	@echo 'All runs: make cleanup ARGS=--delete'
	@echo 'Options of a command: make lock ARGS=--upgrade'
