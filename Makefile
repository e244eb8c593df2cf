# The verbs of everyday work. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup web demo build test lint check-data clean

OVATION := target/release/ovation
# Events a second of the demo's simulator.
RATE ?= 500

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install or name what this machine lacks
	@devstack/setup.sh

web/dist/index.html: $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print) | setup
	cd web && npm ci --no-audit --no-fund && npm run build

web: web/dist/index.html ## build the dashboard page

build: web ## build the binary
	cargo build --release --locked --package cli

demo: build ## start everything with a simulated audience and serve the page
	$(OVATION) run --simulate $(RATE)

lint: web ## formatting, lints and documentation, all as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked --quiet

test: export OVATION_SETUP_FOR_TESTS := 1
test: lint ## everything that must hold: lints, unit tests, and the pipeline on real servers and in a real browser
	cd web && npm test
	cargo test --workspace --locked

clean: ## remove what was built and the local stack's data (not the cache folder)
	cargo clean
	rm -rf web/dist web/node_modules .ovation
