#!/usr/bin/env bash
# Measures, and writes bench/results/ and bench/RESULTS.md. `make bench` builds what it needs and measures all parts, which takes four hours;
# with names of parts (bench/run.sh w1 latency) only those, and what was measured of the others before stays. W1_EVENTS, EVENTS, DSL_EVENTS,
# PYTHON_EVENTS, ROUNDS, STORES and SECONDS_EACH may be set; each part tells its commands.
set -euo pipefail
cd "$(dirname "$0")/.."
harness=target/release/harness
w1_events=${W1_EVENTS:-20000000} events=${EVENTS:-3000000} dsl_events=${DSL_EVENTS:-300000}
python_events=${PYTHON_EVENTS:-1000000} rounds=${ROUNDS:-3} stores=${STORES:-memory,rocksdb} seconds=${SECONDS_EACH:-60}
all=(w1 w2-w4 dsl bytewax sink fanout moderation users scaling latency)
results=bench/results
mkdir -p "$results"

said() { # command: it and its standard output go into the part's file
  printf '\n```\n$ %s\n' "$*" >>"$part"
  "$@" | tee -a "$part"
  printf '```\n' >>"$part"
}

measure() { # part
  case $1 in
    w1) said "$harness" peers --workload w1 --peer streams,flink --events "$w1_events" --users 1000000 --rounds "$rounds" \
      --stores "$stores" --json "$results/w1.json" ;;
    w2-w4) said "$harness" peers --workload w2,w3,w4 --peer streams,flink --events "$events" --rounds "$rounds" --stores "$stores" \
      --json "$results/w2-w4.json" ;;
    dsl)
      said "$harness" peers --workload w1 --peer streams-dsl --events "$dsl_events" --rate 1000 --rounds "$rounds" --stores "$stores" \
        --json "$results/w1-dsl.json"
      said "$harness" peers --workload w2,w3 --peer streams-dsl --events "$events" --rate 2500 --rounds "$rounds" --stores "$stores" \
        --json "$results/w2-w3-dsl.json"
      ;;
    bytewax) said "$harness" peers --workload w2,w3 --peer bytewax --events "$python_events" --rate 2500 --rounds "$rounds" \
      --json "$results/w2-w3-bytewax.json" ;;
    sink) said "$harness" sink --rounds "$rounds" ;;
    fanout)
      said "$harness" fanout --peer --rounds "$rounds"
      if [ "$(id -u)" = 0 ]; then
        said "$harness" fanout --peer --rounds "$rounds" --receive-elsewhere
      fi
      ;;
    moderation) said "$harness" moderation --json "$results/moderation.json" ;;
    users) said "$harness" users ;;
    scaling) said "$harness" scaling --rounds "$rounds" ;;
    latency) said "$harness" latency --seconds "$seconds" ;;
  esac
}

about() { # part: its heading, and what its figures mean
  case $1 in
    w1) cat <<'END' ;;
## Boards, engagement and candles beside Kafka Streams and Flink

Chat is simulated; trades were recorded (`bench/data`) and are repeated over 1,000 symbols. All read the same topics on one broker in turns, exactly
once, and find the same: no speed is shown before the results of each round were compared. Ovation and Kafka Streams commit every 100 ms; Flink
commits with its checkpoints, here every second, so that its results can be read up to a second later. Ovation also remembers event ids to drop
duplicates and writes labels and ranks before; it takes a snapshot every 30 s, as shipped, where Kafka Streams keeps a changelog and Flink's
checkpoints have the whole state. A figure of a whole run has the start of the program and, of Java, its compiling in it; the steady ones begin with
the first commit. `streams` is written with the processor API, as fast as we know how. "only reading" and "and decoding" are our reader and decoder
without a job; "memory" is what this machine's gives to one thread.
END
    w2-w4) ;;
    dsl) printf '## Beside the DSL of Kafka Streams\n\nAs its guide teaches it, on chat in which nothing is taken back, which it cannot do.\n' ;;
    bytewax)
      printf '## Beside Bytewax\n\nIt promises less: at least once, no transactions, nothing taken back; its program ends by itself at the ends of the '
      printf 'topics.\n'
      ;;
    sink) printf '## Raw chat into ClickHouse, beside its own Kafka table\n' ;;
    fanout) printf '## Live frames to many clients, beside Centrifugo\n' ;;
    moderation) printf '## Looking at a chat message, beside crates that filter words\n' ;;
    users) printf '## A rolling board with few and with many users\n' ;;
    scaling) printf '## A rolling board with more partitions, workers and processes\n' ;;
    latency) printf '## From when a result can be known to when it is committed, beside Kafka Streams\n' ;;
  esac
}

version() { # of a Maven property of the peers
  sed -n "s/.*<$1.version>\(.*\)<.*/\1/p" bench/peers/pom.xml
}

for name in "${@:-${all[@]}}"; do
  case " ${all[*]} " in
    *" $name "*) ;;
    *) echo "bench/run.sh: there is no part $name; there are ${all[*]}" >&2; exit 2 ;;
  esac
done
for name in "${@:-${all[@]}}"; do
  part=$(mktemp)
  printf '\nMeasured on %s, commit %s.\n' "$(date -u +%Y-%m-%d)" "$(git describe --always --dirty 2>/dev/null || echo unknown)" >>"$part"
  measure "$name"
  mv "$part" "$results/$name.txt"
done

{
  cat <<END
# Measured by \`make bench\`

Written by \`bench/run.sh\`; what the figures mean is in the heads of \`bench/harness/src/peers.rs\`, \`sink.rs\`, \`fanout.rs\`,
\`moderation.rs\`, \`users.rs\`, \`scaling.rs\` and \`peers/latency.rs\`, how the jobs are written for others in \`bench/peers\`. The numbers of every
round are in \`bench/results\`.

- $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1e6 }' /proc/meminfo),
  Linux $(uname -r); broker, all programs and clients on it
- $(rustc --version); $(java -version 2>&1 | head -n 1)
- Apache Kafka and Kafka Streams $(version kafka), Flink $(version flink), Avro for Java $(version avro)
- Bytewax $(sed -n 's/^bytewax==//p' bench/peers/bytewax/requirements.txt), $(python3 --version)
- Centrifugo $(sed -n 's/.*centrifugal\/centrifugo\/v6 v\([0-9.]*\).*/\1/p' bench/peers/centrifugo/go.mod | head -n 1), $(go env GOVERSION)
END
  for name in "${all[@]}"; do
    if [ -e "$results/$name.txt" ]; then
      echo
      about "$name"
      cat "$results/$name.txt"
    fi
  done
} >bench/RESULTS.md
