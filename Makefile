# The one list of commands. A target that is not built yet says so and fails; none pretends.

CARGO ?= cargo

.PHONY: help run build test test-agents check fmt bench range fuzz

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# One package per invocation: features of a shared dependency are united within one build, and the gate
# must not get `policy/read` because the plane asked for it.
build: ## build the four programs
	$(CARGO) build --release -p bastide-cell
	$(CARGO) build --release -p bastide-gate
	$(CARGO) build --release -p bastide-plane
	$(CARGO) build --release -p bastide-face

run: ## doctor, then an agent or a shell in a cell on this directory
	@echo 'make run: not built yet' >&2; exit 1

test: ## all tests that fit into continuous integration
	$(CARGO) test --workspace

test-agents: ## real agents in a cell: too heavy for continuous integration
	@echo 'make test-agents: not built yet' >&2; exit 1

check: ## formatting and lints, warnings are errors
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings

fmt: ## format the code
	$(CARGO) fmt

bench: ## measure the promises of SPECIFICATION.md
	@echo 'make bench: not built yet' >&2; exit 1

range: ## escape cases against the walls
	@echo 'make range: not built yet' >&2; exit 1

fuzz: ## fuzz the parsers of hostile bytes
	@echo 'make fuzz: not built yet' >&2; exit 1
