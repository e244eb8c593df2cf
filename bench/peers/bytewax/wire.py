"""Records in the wire format: byte 0, the schema's id in four bytes, the Avro datum; read up to the last field that a workload needs.

Always holds: a record of a schema whose fields are not in the order that is read here ends the program. Does not know: windows.
"""

import json
import urllib.request

HEAD = 5
# What the readers below go by: the fields of either schema up to the last one that is read, and what follows nowhere matters.
COMMON = ["event_id", "event_time", "ingest_time", "source", "channel_id", "user_id", "stream_id"]
FIELDS = {
    "chat_event": COMMON + ["kind"],
    "trade_event": COMMON + ["trade_id", "price", "quantity", "aggressor", "venue", "symbol"],
}
# The place of `message` among the kinds of chat, as Avro writes it.
MESSAGE = 0
# A trade without a number stands before those with one.
NO_TRADE_ID = -1 << 63


class Schemas:
    """The schemas of one kind of record, by their ids in the registry."""

    def __init__(self, registry: str, subject: str):
        self.registry = registry
        self.fields = FIELDS[subject]
        self.known: set[bytes] = set()

    def check(self, values: list[bytes]) -> None:
        """Refuses records that the readers would misread."""
        for head in {value[:HEAD] for value in values} - self.known:
            if len(head) < HEAD or head[0] != 0:
                raise ValueError("a record is not in the wire format")
            number = int.from_bytes(head[1:], "big")
            with urllib.request.urlopen(f"{self.registry}/schemas/ids/{number}") as answer:
                schema = json.loads(json.load(answer)["schema"])
            names = [field["name"] for field in schema["fields"]]
            if names[: len(self.fields)] != self.fields:
                raise ValueError(f"schema {number} has other fields than are read here: {names}")
            self.known.add(head)


def read_number(value: bytes, at: int) -> tuple[int, int]:
    """A number, and where the next field begins."""
    byte = value[at]
    number = byte & 0x7F
    shift = 7
    at += 1
    while byte > 0x7F:
        byte = value[at]
        number |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return (number >> 1) ^ -(number & 1), at


def read_message(value: bytes) -> tuple[int, bytes, bytes | None] | None:
    """Event time, channel and user of a message; None for other kinds. Called for every record, so texts shorter than 64 bytes, whose length is
    one byte, are not read by a function."""
    byte = value[HEAD]
    at = HEAD + 1 + (byte >> 1) if byte < 0x80 else after_text(value, HEAD)
    event_time, at = read_number(value, at)
    while value[at] > 0x7F:
        at += 1
    at = after_text(value, at + 1)
    length, at = read_number(value, at)
    channel = value[at : at + length]
    at += length
    user = None
    if value[at] == 0:
        at += 1
    else:
        length, at = read_number(value, at + 1)
        user = value[at : at + length]
        at += length
    at = after_optional_text(value, at)
    return (event_time, channel, user) if value[at] == MESSAGE else None


def read_trade(value: bytes) -> tuple[int, int, bytes, int, int, bytes]:
    """Event time, number, event id, price and quantity in units of 10^-10, and the market: venue and symbol as Avro has them."""
    length, at = read_number(value, HEAD)
    event_id = value[at : at + length]
    event_time, at = read_number(value, at + length)
    while value[at] > 0x7F:
        at += 1
    at = after_text(value, at + 1)
    at = after_text(value, at)
    at = after_optional_text(value, at)
    at = after_optional_text(value, at)
    trade_id = NO_TRADE_ID
    if value[at] == 0:
        at += 1
    else:
        trade_id, at = read_number(value, at + 1)
    length, at = read_number(value, at)
    price = int.from_bytes(value[at : at + length], "big", signed=True)
    length, at = read_number(value, at + length)
    quantity = int.from_bytes(value[at : at + length], "big", signed=True)
    at += length + 1
    market = value[at : after_text(value, after_text(value, at))]
    return event_time, trade_id, event_id, price, quantity, market


def read_texts(value: bytes) -> list[bytes]:
    """All of the texts that stand there."""
    texts = []
    at = 0
    while at < len(value):
        length, at = read_number(value, at)
        texts.append(value[at : at + length])
        at += length
    return texts


def after_text(value: bytes, at: int) -> int:
    byte = value[at]
    if byte < 0x80:
        return at + 1 + (byte >> 1)
    length, at = read_number(value, at)
    return at + length


def after_optional_text(value: bytes, at: int) -> int:
    return at + 1 if value[at] == 0 else after_text(value, at + 1)
