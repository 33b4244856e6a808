# The one list of commands. Continuous integration runs the same.

CARGO ?= cargo
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
RELEASE := target/$(HOST)/release
DEBUG := target/$(HOST)/debug
SECONDS_EACH ?= 60

.PHONY: help run build debug test test-rust test-whole test-agents check fmt bench range exfil fuzz

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# One package per invocation: features of a shared dependency are united within one build, and the gate
# must not get `policy/read` because the plane asked for it.
build: ## build the four programs
	$(CARGO) build --release -p bastide-cell
	$(CARGO) build --release -p bastide-gate
	$(CARGO) build --release -p bastide-plane
	$(CARGO) build --release -p bastide-face

debug: ## build the four programs for the tests
	$(CARGO) build -q -p bastide-cell
	$(CARGO) build -q -p bastide-gate
	$(CARGO) build -q -p bastide-plane
	$(CARGO) build -q -p bastide-face

run: build ## doctor, then the installed agent, else a shell, in a cell on this directory, then the tour
	$(RELEASE)/bastide doctor
	$(RELEASE)/bastide run
	$(RELEASE)/bastide tour

test: test-rust test-whole ## all tests that fit into continuous integration; installs what they need

# One package at a time, as they are built: the tests meet the very programs that are shipped.
test-rust: debug ## the tests of every crate
	proof/install
	set -e; for room in policy record sense plan wire cell vault face proof; do $(CARGO) test -p bastide-$$room; done
	# These mostly wait for what they started.
	set -e; for room in gate plane; do RUST_TEST_THREADS=6 $(CARGO) test -p bastide-$$room; done

test-whole: debug ## the whole in use: programs at work in a cell, and a sample of the escape range
	proof/install
	BASTIDE=$(DEBUG)/bastide proof/works/test
	python3 proof/range/run.py --bastide $(DEBUG)/bastide --sample
	python3 proof/faults/run.py --bastide $(DEBUG)/bastide

test-agents: debug ## real agents in a cell: too heavy for continuous integration
	proof/install
	BASTIDE=$(DEBUG)/bastide proof/agents/test

check: ## formatting and lints, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the code
	$(CARGO) fmt

bench: build ## measure the promises of SPECIFICATION.md
	proof/install
	BASTIDE=$(RELEASE)/bastide proof/bench/run

range: debug ## every escape case against the walls, every layer on and off
	proof/install
	python3 proof/range/run.py --bastide $(DEBUG)/bastide

exfil: ## what may not leave, in every encoding by every channel, and 12,000 requests that may: an hour
	proof/exfil/run

fuzz: ## fuzz the parsers of hostile bytes, SECONDS_EACH seconds each
	proof/fuzz/run $(SECONDS_EACH)
