# The one list of commands. Continuous integration runs the same.

CARGO ?= cargo
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
RELEASE := target/$(HOST)/release
DEBUG := target/$(HOST)/debug
SECONDS_EACH ?= 60

.PHONY: help run build debug test test-rust test-whole test-agents check fmt order bench range exfil fuzz

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# One package per invocation: features of a shared dependency are united within one build, and the gate
# must not get `policy/read` because the plane asked for it.
build: ## build the four programs
	$(CARGO) build --release -p bastide-cell
	$(CARGO) build --release -p bastide-gate
	$(CARGO) build --release -p bastide-plane
	$(CARGO) build --release -p bastide-face

# All tests are two builds: those of the rooms that must not read policy text, the gate's among them, and those of
# the rooms that do. Another choice of packages would unite other features, and build everything anew (decision 0063).
DECIDES := record plan wire cell face gate
READS := policy sense vault proof plane
packages = $(patsubst %,-p bastide-%,$(1))

debug: ## build the four programs, and the tests
	$(CARGO) test -q --no-run $(call packages,$(DECIDES))
	$(CARGO) test -q --no-run $(call packages,$(READS))

run: build ## doctor, then the installed agent, else a shell, in a cell on this directory, then the tour
	$(RELEASE)/bastide doctor
	$(RELEASE)/bastide run
	$(RELEASE)/bastide tour

test: test-rust test-whole ## all tests that fit into continuous integration; installs what they need

# Most tests wait for what they started: more at once than there are cores.
test-rust: debug ## the tests of every crate
	proof/install
	RUST_TEST_THREADS=6 $(CARGO) test $(call packages,$(DECIDES))
	RUST_TEST_THREADS=4 $(CARGO) test $(call packages,$(READS))

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

order: build ## write anew which functions a start runs, as root (packaging/order)
	packaging/order/run $(RELEASE)

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
