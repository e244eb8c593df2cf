"""Candles of one second and one minute of each market. Those of a minute are made from those of a second, as for Flink.

Always holds: sums are exact, since Python's numbers are as long as they must be; the first and the last trade are so by (event time, number, event
id). Does not know: why a trade happened.
"""

from result import numbers, text, total
from windows import MINUTE, SECOND, Result, Windows
from wire import read_texts

# What a candle is, as a list: the first trade's place and price, the last one's, then highest, lowest, count, volume, quote volume.
Candle = list


class Candles(Windows):
    """The windows are of a second; `open` has those of a minute as well, at keys of their own."""

    def __init__(self, resumed):
        super().__init__(resumed and resumed[0])
        self.minutes: dict[int, dict[bytes, Candle]] = resumed[1] if resumed else {}

    def add(self, rows: list[tuple]) -> int:
        open_windows, watermark = self.open, self.watermark
        latest = rows[0][0]
        for event_time, trade_id, event_id, price, quantity, market in rows:
            if event_time > latest:
                latest = event_time
            end = event_time - event_time % SECOND + SECOND
            if end <= watermark:
                continue
            window = open_windows.get(end)
            if window is None:
                window = open_windows[end] = {}
            place = (event_time, trade_id, event_id)
            candle = window.get(market)
            if candle is None:
                window[market] = [place, price, place, price, price, price, 1, quantity, price * quantity]
                continue
            if place < candle[0]:
                candle[0], candle[1] = place, price
            elif place > candle[2]:
                candle[2], candle[3] = place, price
            if price > candle[4]:
                candle[4] = price
            elif price < candle[5]:
                candle[5] = price
            candle[6] += 1
            candle[7] += quantity
            candle[8] += price * quantity
        return latest

    def end(self, end: int, window: dict[bytes, Candle]) -> list[Result]:
        minute_end = (end - 1) // MINUTE * MINUTE + MINUTE
        minute = self.minutes.setdefault(minute_end, {})
        results = [result(market, SECOND, end, candle) for market, candle in window.items()]
        for market, candle in window.items():
            merge(minute, market, candle)
        return results

    def on_batch(self, batches):
        results, is_over = super().on_batch(batches)
        # After those of their seconds.
        for end in sorted(end for end in self.minutes if end <= self.watermark):
            results += [result(market, MINUTE, end, candle) for market, candle in self.minutes.pop(end).items()]
        return results, is_over

    def snapshot(self):
        minutes = {end: {market: candle[:] for market, candle in of.items()} for end, of in self.minutes.items()}
        return super().snapshot(), minutes


def merge(minute: dict[bytes, Candle], market: bytes, second: Candle) -> None:
    """Adds a later second to its minute."""
    candle = minute.get(market)
    if candle is None:
        minute[market] = second
        return
    candle[2], candle[3] = second[2], second[3]
    candle[4] = max(candle[4], second[4])
    candle[5] = min(candle[5], second[5])
    for place in (6, 7, 8):
        candle[place] += second[place]


def result(market: bytes, interval: int, end: int, candle: Candle) -> Result:
    venue, symbol = read_texts(market)
    _, first, _, last, highest, lowest, count, volume, quote_volume = candle
    figures = numbers(interval, end, first, highest, lowest, last, count) + total(volume) + total(quote_volume)
    return venue + b":" + symbol, b"C" + text(venue) + text(symbol) + figures
