# Everything sets itself up: on a bare machine only git, make and rustup's toolchain are needed.
# Nothing here needs root to build; what needs root is elevated as a finished program (see scripts/lib.sh).

.DEFAULT_GOAL := help
BENCHES := classify reaction latency overhead exact crash constant convergence fidelity emulation sensitivity workloads traces power guard aa replay-fidelity replay-tune
# Passed on: make demo ARGS="--visit 30", make bench-crash ARGS="--kills 10 --json"
ARGS ?=

.PHONY: help setup build test lint demo clean $(BENCHES:%=bench-%)

help: ## this list
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '  make %-16s %s\n  %21s %s\n' bench-NAME 'a measurement, as root on a loop device of its own; NAME is one of' '' '$(BENCHES)'

setup: ## install the system packages that are missing (apt, dnf, pacman, zypper)
	@scripts/setup

build: ## build the optimised programs, as the ordinary user
	@scripts/build

test: ## every test; prints "N passed, N failed, N skipped" at the end
	@scripts/test $(ARGS)

lint: ## formatting, clippy, documentation, dependencies
	@scripts/lint

demo: ## tune an emulated hard disk under two workloads that come back, within 5 minutes
	@scripts/demo $(ARGS)

$(BENCHES:%=bench-%): bench-%:
	@scripts/bench $* $(ARGS)

clean: ## remove what was built
	@cargo clean
