"""A topic as batches of rows, each with its partition.

Always holds: a partition's rows keep their order; a position is that of the first record that is in no batch yet, and travels in Bytewax's
snapshots, not in a consumer group. Ends at the end of every partition. Does not know: what a row is of.
"""

from typing import Any, Callable

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from wire import Schemas

BATCH_RECORDS = 10_000
WAIT_S = 0.001
DEADLINE_S = 30

# None for a record that the workload has no use for.
Read = Callable[[bytes], tuple | None]
Batch = tuple[str, list[tuple]]


class Partition(StatefulSourcePartition[Batch, int]):
    def __init__(self, consumer: Consumer, assigned: TopicPartition, schemas: Schemas, read: Read):
        consumer.assign([assigned])
        self.consumer = consumer
        self.key = str(assigned.partition)
        self.position = assigned.offset
        self.schemas = schemas
        self.read = read
        self.is_at_end = False

    def next_batch(self) -> list[Batch]:
        if self.is_at_end:
            raise StopIteration
        records = self.consumer.consume(BATCH_RECORDS, WAIT_S)
        ends = [number for number, record in enumerate(records) if record.error() is not None]
        if ends:
            self.end(records[ends[0]].error())
            records = records[: ends[0]]
        if not records:
            return []
        values = [record.value() for record in records]
        self.schemas.check(values)
        read = self.read
        rows = [row for value in values if (row := read(value)) is not None]
        self.position = records[-1].offset() + 1
        return [(self.key, rows)]

    def end(self, error: KafkaError) -> None:
        """What comes as an error is the end, or is one."""
        if error.code() != KafkaError._PARTITION_EOF:
            raise KafkaException(error)
        self.is_at_end = True

    def snapshot(self) -> int:
        return self.position

    def close(self) -> None:
        self.consumer.close()


class Source(FixedPartitionedSource[Batch, int]):
    def __init__(self, brokers: str, topic: str, schemas: Schemas, read: Read):
        self.brokers = brokers
        self.topic = topic
        self.schemas = schemas
        self.read = read

    def list_parts(self) -> list[str]:
        client = AdminClient({"bootstrap.servers": self.brokers})
        topic = client.list_topics(self.topic, DEADLINE_S).topics[self.topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        return [str(number) for number in topic.partitions]

    def build_part(self, _step: str, part: str, resumed_at: int | None) -> Partition:
        settings: dict[str, Any] = {
            "bootstrap.servers": self.brokers,
            "group.id": "none",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
            "fetch.message.max.bytes": 8 << 20,
            "socket.receive.buffer.bytes": 1 << 20,
        }
        start = TopicPartition(self.topic, int(part), OFFSET_BEGINNING if resumed_at is None else resumed_at)
        return Partition(Consumer(settings), start, self.schemas, self.read)
