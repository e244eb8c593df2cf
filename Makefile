# The verbs of everyday work. `make` alone lists them.

.DEFAULT_GOAL := help
.PHONY: help setup web demo build test lint peers bench bench-quick clean

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

PEERS := bench/peers
# What Maven builds last of them stands for all.
$(PEERS)/flink/target/peer.jar: $(shell find $(PEERS) -path '*/target' -prune -o -type f -print) $(shell find schemas/avro -type f) | setup
	cd $(PEERS) && mvn -q -B -Dmaven.test.skip=true package
	@touch $@

peers: export OVATION_SETUP_FOR_BENCH := 1
peers: $(PEERS)/flink/target/peer.jar ## build the benchmark's jobs for Kafka Streams and Flink

GATEWAY := bench/peers/centrifugo
$(GATEWAY)/target/centrifugo: export OVATION_SETUP_FOR_BENCH := all
$(GATEWAY)/target/centrifugo: $(GATEWAY)/go.mod $(GATEWAY)/go.sum
	devstack/setup.sh
	cd $(GATEWAY) && go build -o target/centrifugo github.com/centrifugal/centrifugo/v6

PYTHON_PEER := bench/peers/bytewax
$(PYTHON_PEER)/target/installed: export OVATION_SETUP_FOR_BENCH := all
$(PYTHON_PEER)/target/installed: $(PYTHON_PEER)/requirements.txt
	devstack/setup.sh
	python3 -m venv --clear $(PYTHON_PEER)/target
	$(PYTHON_PEER)/target/bin/pip install -q --disable-pip-version-check -r $<
	@touch $@

bench: web peers $(GATEWAY)/target/centrifugo $(PYTHON_PEER)/target/installed ## measure beside Kafka Streams, Flink and other peers; takes four hours (bench/run.sh measures parts of it), writes bench/RESULTS.md and bench/results/
	cargo build --release --locked --workspace
	bench/run.sh

# Six minutes of event time, so that windows move on and what is old leaves them; where the peer can do it some events come too late.
QUICK := --events 100000 --rate 250 --users 5000 --rounds 1 --snapshots-every 2s

bench-quick: web peers ## whether Kafka Streams and Flink find the same, on little data; the speeds say nothing
	cargo build --release --locked --workspace
	target/release/harness peers $(QUICK) --disorder-ms 3000
	target/release/harness peers $(QUICK) --disorder-ms 3000 --workload w4 --stores rocksdb --kill-peer
	target/release/harness peers $(QUICK) --disorder-ms 2000 --workload w4 --peer flink --checkpoint-ms 100
	target/release/harness peers --events 6000 --rate 15 --users 5000 --rounds 1 --disorder-ms 3000 --workload w4 --peer streams-dsl

test: export OVATION_SETUP_FOR_TESTS := 1
test: export OVATION_SETUP_FOR_BENCH := 1
test: lint peers ## everything that must hold: lints, unit tests, and the pipeline on real servers and in a real browser
	cd web && npm test
	cargo test --workspace --locked

clean: ## remove what was built and the local stack's data (not the cache folder)
	cargo clean
	rm -rf web/dist web/node_modules .ovation $(PEERS)/*/target
