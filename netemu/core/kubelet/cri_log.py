"""Container logs as the runtime writes them: `TIME STREAM F|P TEXT`, one line each.

`LogFilter` is what `kubectl logs` asks for, applied line by line. `P` marks a piece of
a line that goes on in the next: its text has no newline yet.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from netemu.model.clock import parse_time
from netemu.model.schema import Time


@dataclass(frozen=True, slots=True)
class LogLine:
    time: str
    stream: str
    partial: bool
    text: bytes

    def render(self, *, timestamps: bool) -> bytes:
        start = f"{self.time} ".encode() if timestamps else b""
        return start + self.text + (b"" if self.partial else b"\n")


def parse(line: bytes) -> LogLine | None:
    """Read one line without its newline; None for one that is damaged."""
    parts = line.split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    text = parts[3] if len(parts) == 4 else b""
    return LogLine(parts[0].decode(), parts[1].decode(), parts[2].startswith(b"P"), text)


@dataclass(slots=True, kw_only=True)
class LogFilter:
    """What is asked of a log; lines in, bytes out."""

    since: datetime | None = None
    tail_lines: int | None = None
    timestamps: bool = False
    limit_bytes: int | None = None
    _sent: int = 0
    _inside_line: bool = False

    def first(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """Yield what is shown of the log as it is when it is opened."""
        shown = (found for line in lines if (found := parse(line)) and self._young(found))
        if self.tail_lines is None:
            kept: Iterable[LogLine] = shown
        else:
            kept = _last(shown, self.tail_lines)
        for line in kept:
            yield self._cut(self._render(line))

    def more(self, line: bytes) -> bytes:
        """Return what is shown of a line that came later."""
        found = parse(line)
        return self._cut(self._render(found)) if found and self._young(found) else b""

    @property
    def full(self) -> bool:
        """Whether `limit_bytes` is reached."""
        return self.limit_bytes is not None and self._sent >= self.limit_bytes

    def _render(self, line: LogLine) -> bytes:
        timestamps = self.timestamps and not self._inside_line
        self._inside_line = line.partial
        return line.render(timestamps=timestamps)

    def _young(self, line: LogLine) -> bool:
        return self.since is None or parse_time(Time(line.time)) >= self.since

    def _cut(self, data: bytes) -> bytes:
        if self.limit_bytes is not None:
            data = data[: max(self.limit_bytes - self._sent, 0)]
        self._sent += len(data)
        return data


def _last(lines: Iterable[LogLine], count: int) -> Iterable[LogLine]:
    """Keep the last `count` whole lines; pieces of one line count once."""
    kept: deque[list[LogLine]] = deque(maxlen=count)
    inside = False
    for line in lines:
        if inside and kept:
            kept[-1].append(line)
        else:
            kept.append([line])
        inside = line.partial
    return [piece for pieces in kept for piece in pieces]


def last_lines(data: bytes, *, lines: int, max_bytes: int) -> str:
    """Return the end of a log as a termination message (FallbackToLogsOnError)."""
    parsed = [found for line in data.splitlines() if (found := parse(line))]
    text = b"".join(line.render(timestamps=False) for line in _last(parsed, lines))
    return text[-max_bytes:].decode(errors="replace")
