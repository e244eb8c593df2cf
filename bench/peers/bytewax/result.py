"""A result as bytes: a letter for what it is, then numbers in eight bytes and texts with their length in two, big endian; as `Result.java`.

Always holds: what does not fit is an error. Does not know: what the figures mean.
"""

import struct


def text(value: bytes) -> bytes:
    return struct.pack(">H", len(value)) + value


def numbers(*values: int) -> bytes:
    return struct.pack(f">{len(values)}q", *values)


def total(value: int) -> bytes:
    """In 128 bits."""
    return value.to_bytes(16, "big", signed=True)
