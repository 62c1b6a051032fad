"""Load: HTTP requests at a steady rate from one place, until it is enough.

Each connection is a thread that lives in the sender's network namespace and asks when
its turn has come. A request that takes long delays its own connection's next one only;
turns that have passed meanwhile are left out, not made up for.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from netemu.host import netns
from netemu.lab.probing import Outcome, Result


@dataclass(slots=True)
class Tally:
    """What became of the requests."""

    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """By kind: `refused`, `timeout`, `reset` …, or `HTTP 503`."""
    latencies_s: list[float] = field(default_factory=list)
    """Of those that were answered well."""
    answers: Counter[str] = field(default_factory=Counter)
    """By their first lines: pods' names, if the server says its own."""
    first_failure: str = ""

    @property
    def sent(self) -> int:
        return self.ok + self.failed.total()

    def note(self, outcome: Outcome, at_s: float) -> None:
        kind = _failure(outcome)
        if kind:
            self.failed[kind] += 1
            self.first_failure = self.first_failure or f"after {at_s:.2f} s: {outcome}"
            return
        self.ok += 1
        self.latencies_s.append(outcome.seconds)
        if outcome.body:
            self.answers[outcome.body.splitlines()[0]] += 1

    def percentile_s(self, percent: float) -> float:
        """Return the latency that so many percent of the good answers kept; 0 without any."""
        ranked = sorted(self.latencies_s)
        if not ranked:
            return 0.0
        return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]

    def __str__(self) -> str:
        lines = [f"{self.sent} sent, {self.ok} ok, {self.failed.total()} failed"]
        if self.failed:
            kinds = ", ".join(f"{kind} ×{count}" for kind, count in self.failed.most_common())
            lines[0] += f" ({kinds}; first {self.first_failure})"
        if self.ok:
            p50, p99 = 1000 * self.percentile_s(50), 1000 * self.percentile_s(99)
            lines.append(f"latency p50 {p50:.1f} ms, p99 {p99:.1f} ms")
        if self.answers:
            lines.append(", ".join(f"{who} ×{n}" for who, n in sorted(self.answers.items())))
        return "\n".join(lines)


def _failure(outcome: Outcome) -> str:
    """Return the kind of failure; empty if there is none."""
    if outcome.result != Result.OK:
        return str(outcome.result)
    return f"HTTP {outcome.status}" if outcome.status >= 400 else ""


class RunningLoad:
    """Requests that are being sent; `stop` ends them and tells what became of them."""

    def __init__(
        self,
        ask: Callable[[], Callable[[], Outcome]],
        *,
        namespace: str,
        rate: float,
        connections: int,
        for_s: float = 0.0,
    ) -> None:
        """`ask` gives each connection a function of its own that sends one request.

        `namespace` is the path of a network namespace, empty for the caller's own.
        """
        self.began = time.monotonic()
        self._ask = ask
        self._namespace = namespace
        self._pause_s = connections / rate
        self.has_bound = bool(for_s)
        """It ends by itself."""
        self._ends = self.began + for_s if for_s else float("inf")
        self._over = threading.Event()
        self._tally = Tally()
        self._lock = threading.Lock()
        self._broken: BaseException | None = None
        self._threads = [
            threading.Thread(
                target=self._work, args=(number / rate,), name=f"load-{number}", daemon=True
            )
            for number in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def answered(self) -> int:
        """How many requests have come to an end."""
        return self._tally.sent

    @property
    def broken(self) -> bool:
        return self._broken is not None

    def end(self) -> None:
        """Let no connection begin another request."""
        self._over.set()

    def wait(self) -> Tally:
        """Wait for the last request's end, return what was seen. Blocks."""
        for thread in self._threads:
            thread.join()
        if self._broken is not None:
            raise self._broken
        return self._tally

    def _work(self, offset_s: float) -> None:
        try:
            if self._namespace:
                netns.enter(self._namespace)
            self._take_turns(self._ask(), self.began + offset_s)
        except BaseException as error:  # Raised again where the load is ended.
            self._broken = error
            self._over.set()

    def _take_turns(self, ask: Callable[[], Outcome], turn: float) -> None:
        while turn < self._ends and not self._over.wait(max(0.0, turn - time.monotonic())):
            sent = time.monotonic()
            outcome = ask()
            with self._lock:
                self._tally.note(outcome, sent - self.began)
            missed = (time.monotonic() - turn) // self._pause_s
            turn += self._pause_s * (1 + max(0, missed))
