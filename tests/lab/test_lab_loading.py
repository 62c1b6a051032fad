"""A load's connections take turns at its rate, and nothing that they see is lost."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from netemu.lab.loading import RunningLoad, Tally
from netemu.lab.probing import Outcome, Result


def _answered(by: str = "web-1", seconds: float = 0.001, status: int = 200) -> Outcome:
    return Outcome(Result.OK, seconds, status=status, body=f"{by}\nand more")


def test_a_tally_tells_failures_by_their_kind() -> None:
    """Refusals, timeouts and bad statuses are counted apart; the first is remembered."""
    tally = Tally()
    for outcome in (
        _answered("a"),
        Outcome(Result.REFUSED, 0.1),
        _answered(status=503),
        Outcome(Result.TIMEOUT, 2.0),
        Outcome(Result.TIMEOUT, 2.0),
        _answered("b"),
    ):
        tally.note(outcome, 1.5)
    assert (tally.sent, tally.ok) == (6, 2)
    assert tally.failed == {"refused": 1, "HTTP 503": 1, "timeout": 2}
    assert tally.answers == {"a": 1, "b": 1}
    assert tally.first_failure == "after 1.50 s: refused"
    told = str(tally)
    assert "6 sent, 2 ok, 4 failed (timeout ×2, refused ×1, HTTP 503 ×1; first after" in told
    assert told.endswith("a ×1, b ×1")


def test_percentiles_are_of_good_answers() -> None:
    """Half are below the 50th, and the 99th is the slowest but one of a hundred."""
    tally = Tally()
    assert tally.percentile_s(99) == 0.0
    for number in range(100):
        tally.note(_answered(seconds=number / 1000), 0.0)
    tally.note(Outcome(Result.TIMEOUT, 9.0), 0.0)
    assert tally.percentile_s(50) == 0.050
    assert tally.percentile_s(99) == 0.099


def test_a_load_with_a_bound_ends_by_itself() -> None:
    """Its connections together keep the rate: 100 a second for 0.3 s."""
    load = RunningLoad(lambda: _answered, namespace="", rate=100, connections=4, for_s=0.3)
    tally = load.wait()
    assert 15 <= tally.ok <= 30
    assert time.monotonic() - load.began >= 0.28


def test_a_load_goes_on_until_it_is_ended() -> None:
    """No request begins after the end, and the last one is waited for and counted."""
    many = threading.Event()
    asked: list[int] = []

    def ask() -> Outcome:
        asked.append(1)
        if len(asked) >= 20:
            many.set()
        return _answered()

    load = RunningLoad(lambda: ask, namespace="", rate=500, connections=2)
    assert many.wait(10)
    load.end()
    tally = load.wait()
    assert tally.sent == len(asked) >= 20


def test_a_slow_answer_delays_its_own_connection_only() -> None:
    """One connection waits for its answer until the other has had ten."""
    first = threading.Lock()
    many, asked = threading.Event(), itertools.count(1)

    def ask() -> Outcome:
        if first.acquire(blocking=False):
            assert many.wait(10)
        elif next(asked) >= 10:
            many.set()
        return _answered()

    load = RunningLoad(lambda: ask, namespace="", rate=200, connections=2)
    assert many.wait(10)
    load.end()
    assert load.wait().sent >= 11


def test_what_breaks_a_connection_breaks_the_load() -> None:
    """An exception that no network makes is raised where the load is ended."""

    def ask() -> Outcome:
        raise ValueError("a bug")

    load = RunningLoad(lambda: ask, namespace="", rate=50, connections=2)
    with pytest.raises(ValueError, match="a bug"):
        load.wait()
    assert load.broken
