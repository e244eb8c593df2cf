"""Tumbling windows of one partition by the events' own times.

The watermark is the largest event time less the lateness, and goes on between batches. Always holds: a window has one result, once the watermark
has come to its end; an event of a window that has ended is left out. Does not know: what is counted.
"""

import copy
from abc import abstractmethod
from typing import Any

from bytewax.operators import StatefulBatchLogic

LATENESS = 2_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
BEGINNING = -1 << 63

# A record of results: its key and its value.
Result = tuple[bytes, bytes]
# The open windows by their ends, each with what is kept by key.
Open = dict[int, dict[bytes, Any]]


class Windows(StatefulBatchLogic[list[tuple], Result, tuple[int, Open]]):
    """Of one length. What is kept in them is for the workload to say."""

    def __init__(self, resumed: tuple[int, Open] | None):
        self.watermark, self.open = resumed or (BEGINNING, {})

    @abstractmethod
    def add(self, rows: list[tuple]) -> int:
        """Adds rows to their windows. The largest event time of them."""

    @abstractmethod
    def end(self, end: int, window: dict[bytes, Any]) -> list[Result]:
        """The results of a window that has ended."""

    def on_batch(self, batches: list[list[tuple]]) -> tuple[list[Result], bool]:
        results: list[Result] = []
        for rows in batches:
            if rows:
                self.watermark = max(self.watermark, self.add(rows) - LATENESS)
            for end in sorted(end for end in self.open if end <= self.watermark):
                results += self.end(end, self.open.pop(end))
        return results, StatefulBatchLogic.RETAIN

    def snapshot(self) -> tuple[int, Open]:
        return self.watermark, copy.deepcopy(self.open)
