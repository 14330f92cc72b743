# Each chore is one short script in tools/; the desk and CI call the same.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow check bench bench-compare document lint clean

# A machine without systemd cannot tell R its time zone, and one without a locale
# gives R no letters beyond ASCII.
export TZ ?= $(or $(shell cat /etc/timezone 2>/dev/null),UTC)
export LANG ?= C.UTF-8

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##\(.*\)/  make \1\t\2/p' Makefile | expand -t 18

install:  ## install what is missing, and the R package into R's library
	@tools/install.sh

demo:  ## install what is missing, then run the flagship flow and read its model back
	@tools/demo.sh

test:  ## install what is missing, then run all tests but the slow ones
	@tools/test.sh fast

test-slow:  ## the tests that take minutes
	@tools/test.sh slow

check:  ## R CMD check of the built package
	@tools/check.sh

bench:  ## measure, each number beside its floor
	@tools/bench.sh

bench-compare:  ## make bench-compare REV=main~1: this tree and another revision, measured in turn
	@tools/install.sh test
	@python3 tests/bench/compare.py $(REV)

document:  ## NAMESPACE and man/ from the comments in R/
	@tools/document.sh

lint:  ## ruff over the Python code, syntax of the scripts
	@tools/lint.sh

clean:  ## remove what the other chores leave in this folder
	@rm -rf .build build dist *.Rcheck metaflow_*.tar.gz .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
