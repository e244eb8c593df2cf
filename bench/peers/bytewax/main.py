"""The workloads w2 and w3 of `harness peers` on Bytewax: one worker, as one worker here.

How, and why so:
- A source of its own (`source.py`), as Bytewax's guide teaches: the one that comes with it makes an object with eight fields of every record, and the whole takes
  twice the time with it. A batch that was read is one item of the dataflow, with its partition as its key.
- Windows are a `stateful_batch` with a state for each partition (`windows.py`): `fold_window` takes twice the time, since it asks its clock and its
  windower about every event, and its watermark is of each key alone.
- Messages are read by hand (`wire.py`): fastavro decodes whole records, and takes four times as long.
- A snapshot of its state every 30 seconds, as ours.

Always holds: it ends by itself once it has read what the topics had when it came to their ends; windows that are still open then are kept in the last
snapshot, not published. Without late events its results are ours.

What it does not promise: exactly once. Positions are in its snapshots, results are written without transactions: after a crash it goes on from
a snapshot and writes again what it had written since. It takes nothing back that moderators delete.
"""

import argparse
import gc
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from candles import Candles
from minutes import Minutes
from source import Source
from wire import Schemas, read_message, read_trade

SNAPSHOTS_EVERY = timedelta(seconds=30)
# Of each workload: its topic, what reads a record, and what its windows are.
WORKLOADS = {
    "w2": ("events.chat", "chat_event", read_message, Minutes),
    "w3": ("events.trades", "trade_event", read_trade, Candles),
}


def dataflow(options: argparse.Namespace) -> Dataflow:
    topic, subject, read, windows = WORKLOADS[options.workload]
    source = Source(options.brokers, topic, Schemas(options.registry, subject), read)
    flow = Dataflow(options.application)
    rows = op.input("rows", flow, source)
    results = op.stateful_batch("windows", rows, windows)
    messages = op.map("messages", results, to_message)
    sink = KafkaSink(
        [options.brokers],
        options.results,
        add_config={"compression.type": "lz4", "partitioner": "murmur2_random"},
    )
    op.output("results", messages, sink)
    return flow


def to_message(result: tuple[str, tuple[bytes, bytes]]) -> KafkaSinkMessage[bytes, bytes]:
    _partition, (key, value) = result
    return KafkaSinkMessage(key, value)


def snapshots(folder: Path) -> RecoveryConfig:
    """In one file, as there is one worker."""
    if not folder.exists():
        folder.mkdir(parents=True)
        init_db_dir(folder, 1)
    return RecoveryConfig(str(folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True, choices=list(WORKLOADS))
    parser.add_argument("--application", required=True, help="the name of this run")
    parser.add_argument("--stores", required=True, choices=["memory"])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--registry", required=True, help="its address")
    parser.add_argument("--results", required=True, help="the topic to write to")
    parser.add_argument("--state", required=True, type=Path, help="the folder of snapshots")
    return parser.parse_args()


if __name__ == "__main__":
    options = arguments()
    # Rows make no cycles, and what is made at the start stays: collect seldom, and never look at that.
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    cli_main(dataflow(options), epoch_interval=SNAPSHOTS_EVERY, recovery_config=snapshots(options.state))
