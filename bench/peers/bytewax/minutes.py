"""Messages and distinct chatters of each channel and minute.

Always holds: who wrote without a name is no chatter. Does not know: moderators.
"""

from result import numbers, text
from windows import MINUTE, Result, Windows


class Minutes(Windows):
    def add(self, rows: list[tuple]) -> int:
        open_windows, watermark = self.open, self.watermark
        latest = rows[0][0]
        for event_time, channel, user in rows:
            if event_time > latest:
                latest = event_time
            end = event_time - event_time % MINUTE + MINUTE
            if end <= watermark:
                continue
            window = open_windows.get(end)
            if window is None:
                window = open_windows[end] = {}
            users = window.get(channel)
            if users is None:
                users = window[channel] = {}
            users[user] = users.get(user, 0) + 1
        return latest

    def end(self, end: int, window: dict[bytes, dict[bytes | None, int]]) -> list[Result]:
        def result(channel: bytes, users: dict[bytes | None, int]) -> Result:
            chatters = len(users) - (None in users)
            return channel, b"E" + text(channel) + numbers(end, sum(users.values()), chatters)

        return [result(channel, users) for channel, users in window.items()]
