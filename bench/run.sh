#!/usr/bin/env bash
# Measures and writes bench/RESULTS.md and bench/results/*.json. `make bench` builds what it needs. Takes three hours; W1_EVENTS, EVENTS,
# DSL_EVENTS, PYTHON_EVENTS, ROUNDS and STORES may be set.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=target/release/harness
w1_events=${W1_EVENTS:-20000000} events=${EVENTS:-3000000} dsl_events=${DSL_EVENTS:-300000}
python_events=${PYTHON_EVENTS:-1000000} rounds=${ROUNDS:-3} stores=${STORES:-memory,rocksdb}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

said() { # command: its standard output goes into the results too
  printf '\n```\n$ %s\n' "$*" >>"$results"
  "$@" | tee -a "$results"
  printf '```\n' >>"$results"
}

version() { # of a Maven property of the peers
  sed -n "s/.*<$1.version>\(.*\)<.*/\1/p" bench/peers/pom.xml
}

cat >"$results" <<END
# Measured by \`make bench\`

Written by \`bench/run.sh\`; what the figures mean is in the heads of \`bench/harness/src/peers.rs\`, \`sink.rs\`, \`fanout.rs\` and
\`moderation.rs\`, how the jobs are written for Kafka Streams and Flink in \`bench/peers\`. All numbers of the first part are in \`bench/results\`.

- $(date -u +%Y-%m-%d), commit $(git describe --always --dirty 2>/dev/null || echo unknown)
- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo),
  Linux $(uname -r); broker, both programs and clients all on it
- $(rustc --version); $(java -version 2>&1 | head -n 1)
- Apache Kafka and Kafka Streams $(version kafka), Flink $(version flink), Avro for Java $(version avro)
- Bytewax $(sed -n 's/^bytewax==//p' bench/peers/bytewax/requirements.txt), $(bench/peers/bytewax/target/bin/python --version)
- Centrifugo $(sed -n 's/.*centrifugal\/centrifugo\/v6 v\([0-9.]*\).*/\1/p' bench/peers/centrifugo/go.mod | head -n 1), $(go env GOVERSION)

## Beside Kafka Streams and Flink

Chat is simulated; trades were recorded (\`bench/data\`) and are repeated over 1,000 symbols. All read the same topics on one broker in turns, exactly
once, and find the same: no speed is shown before the results of each round were compared. Ovation and Kafka Streams commit every 100 ms; Flink
commits with its checkpoints, here every second, so that its results can be read up to a second later. Ovation also remembers event ids to drop
duplicates and writes labels and ranks before; it takes a snapshot every 30 s, as shipped, where Kafka Streams keeps a changelog and Flink's
checkpoints have the whole state. A figure of a whole run has the start of the program and, of Java, its compiling in it; the steady ones begin with
the first commit. \`streams\` is written with the processor API, as fast as we know how; \`streams-dsl\` as its guide teaches it, on chat in which
nothing is taken back, which it cannot do. "only reading" and "and decoding" are our reader and decoder without a job; "memory" is what this machine's
gives to one thread.
END
mkdir -p bench/results
said "$harness" peers --workload w1 --peer streams,flink --events "$w1_events" --users 1000000 --rounds "$rounds" --stores "$stores" \
  --json bench/results/w1.json
said "$harness" peers --workload w2,w3,w4 --peer streams,flink --events "$events" --rounds "$rounds" --stores "$stores" \
  --json bench/results/w2-w4.json
said "$harness" peers --workload w1 --peer streams-dsl --events "$dsl_events" --rounds "$rounds" --json bench/results/w1-dsl.json
said "$harness" peers --workload w2,w3 --peer streams-dsl --events "$events" --rounds "$rounds" --json bench/results/w2-w3-dsl.json
cat >>"$results" <<'END'

Bytewax promises less: at least once, no transactions, nothing taken back; its program ends by itself at the ends of the topics.
END
said "$harness" peers --workload w2,w3 --peer bytewax --events "$python_events" --rate 2500 --rounds 2 \
  --json bench/results/w2-w3-bytewax.json
printf '\n## Raw chat into ClickHouse, beside its own Kafka table\n' >>"$results"
said "$harness" sink
printf '\n## Live frames to many clients, beside Centrifugo\n' >>"$results"
said "$harness" fanout --peer --rounds 2
if [ "$(id -u)" = 0 ]; then
  said "$harness" fanout --peer --rounds 2 --receive-elsewhere
fi
printf '\n## Looking at a chat message, beside crates that filter words\n' >>"$results"
said "$harness" moderation --json bench/results/moderation.json
cp "$results" bench/RESULTS.md
