#!/usr/bin/env bash
# Measures and writes bench/RESULTS.md and bench/results/*.json. `make bench` builds what it needs. Takes two hours; W1_EVENTS, EVENTS,
# ROUNDS and STORES may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=target/release/harness
w1_events=${W1_EVENTS:-20000000} events=${EVENTS:-3000000} rounds=${ROUNDS:-3} stores=${STORES:-memory,rocksdb}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

said() { # command: its standard output goes into the results too
  printf '\n```\n$ %s\n' "$*" >>"$results"
  "$@" | tee -a "$results"
  printf '```\n' >>"$results"
}

version() { # of a Maven property of the peer
  sed -n "s/.*<$1.version>\(.*\)<.*/\1/p" bench/peers/kafka-streams/pom.xml
}

cat >"$results" <<END
# Measured by \`make bench\`

Written by \`bench/run.sh\`; what the figures mean is in the heads of \`bench/harness/src/peers.rs\`, \`sink.rs\` and \`fanout.rs\`, how the jobs
are written for Kafka Streams in \`bench/peers/kafka-streams\`. All numbers of the first part are in \`bench/results\`.

- $(date -u +%Y-%m-%d), commit $(git describe --always --dirty 2>/dev/null || echo unknown)
- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo),
  Linux $(uname -r); broker, both programs and clients all on it
- $(rustc --version); $(java -version 2>&1 | head -n 1)
- Centrifugo $(sed -n 's/.*centrifugal\/centrifugo\/v6 v\([0-9.]*\).*/\1/p' bench/peers/centrifugo/go.mod | head -n 1), $(go env GOVERSION)
- Apache Kafka and Kafka Streams $(version kafka), Avro for Java $(version avro)

## Beside Kafka Streams

Both read the same topics on one broker in turns, exactly once, with a commit every 100 ms, and find the same: no speed is shown before the
results of each round were compared. Ovation also remembers event ids to drop duplicates and writes labels and ranks before; it takes
a snapshot every 30 s, as shipped, where Kafka Streams keeps a changelog. A figure of a whole run has the start of the program and, of Java, its
compiling in it; the steady ones begin with the first commit. "only reading" and "and decoding" are our reader and decoder without a job.
END
mkdir -p bench/results
said "$harness" peers --workload w1 --events "$w1_events" --users 1000000 --rounds "$rounds" --stores "$stores" --json bench/results/w1.json
said "$harness" peers --workload w2,w3,w4 --events "$events" --rounds "$rounds" --stores "$stores" --json bench/results/w2-w4.json
printf '\n## Raw chat into ClickHouse, beside its own Kafka table\n' >>"$results"
said "$harness" sink
printf '\n## Live frames to many clients, beside Centrifugo\n' >>"$results"
said "$harness" fanout --peer --rounds 2
if [ "$(id -u)" = 0 ]; then
  said "$harness" fanout --peer --rounds 2 --receive-elsewhere
fi
cp "$results" bench/RESULTS.md
