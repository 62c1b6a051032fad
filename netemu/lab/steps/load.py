"""`load`: HTTP requests at a steady rate while other steps go on, judged when they end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from netemu.errors import UserError
from netemu.lab import references
from netemu.lab.contract import Step, StepFailedError
from netemu.lab.lab import Lab
from netemu.lab.loading import RunningLoad, Tally
from netemu.lab.probing import HttpAsker, Names, Outcome
from netemu.model.wire import ApiStruct

_MOST_CONNECTIONS = 64
_MOST_A_SECOND = 2000.0
_FIRST_ANSWER_S = 10.0


class LoadExpectation(ApiStruct):
    """What must hold for all of the requests together."""

    failed: int | None = None
    """At most so many failed: were not answered, or with HTTP 400 and above."""
    failed_at_least: int = 0
    """So many failed, or more: what is broken must be seen to be."""
    ok: int = 1
    """At least so many were answered well."""
    backends: int = 0
    """At least so many different answers came, by their first lines."""
    p99_s: float = msgspec.field(default=0.0, name="p99Seconds")
    """99 of 100 good answers took no longer; 0 is any time."""


class Load(Step):
    """Requests: in the background from one step's `start: NAME` to a later one's `stop: NAME`,
    or, with neither, in the foreground for `forSeconds`.
    """

    start: str = ""
    """A name for the load, which goes on while the next steps are taken."""
    stop: str = ""
    """The name of a load that runs: it ends (one with `forSeconds` when they are over), and
    is judged by this step's `expect`."""
    from_: str = ""
    """`host`, `external`, `node/NAME`, `pod/NAME`, `deployment/NAME` (its first ready Pod)."""
    http: str = ""
    """The URL; `{pod/NAME}`, `{service/NAME}`, `{node/NAME}`, `{host}` stand for addresses."""
    rate: float = 20.0
    """Requests a second, over all connections."""
    connections: int = 4
    """How many requests may be under way at once."""
    keep_alive: bool = False
    """Keep connections and send many requests over each; otherwise each has one of its own,
    for which kube-proxy chooses a backend anew."""
    timeout_s: float = msgspec.field(default=2.0, name="timeoutSeconds")
    """How long one request may wait for each part of its answer."""
    for_s: float = msgspec.field(default=0.0, name="forSeconds")
    """How long requests are sent; with `start`, 0 is until the load is stopped."""
    expect: LoadExpectation = msgspec.field(default_factory=LoadExpectation)
    """See below; with `start` it belongs to the step that stops the load."""

    def title(self) -> str:
        if self.stop:
            return f"stop the load {self.stop}"
        name = f" {self.start}" if self.start else ""
        length = f", for {self.for_s:g} s" if self.for_s else ""
        return f"load{name} from {self.from_}: {self.http}, {self.rate:g} a second{length}"

    def check(self, folder: Path) -> None:
        if self.stop:
            self._check_stop()
            return
        references.check_origin(self.from_)
        if not self.http.startswith("http://"):
            raise UserError(f'http: "{self.http}" is no URL: write http://HOST[:PORT]/PATH')
        references.check_placeholders(self.http)
        if not self.start and self.for_s <= 0:
            raise UserError(
                "a load has `start: NAME`, and a later step its `stop: NAME`, "
                "or it has `forSeconds`"
            )
        if self.start and self.expect != LoadExpectation():
            raise UserError("expect: a load is judged by the step that stops it: write it there")
        if not 0 < self.rate <= _MOST_A_SECOND:
            raise UserError(f"rate: {self.rate:g} is not above 0 and up to {_MOST_A_SECOND:g}")
        if not 1 <= self.connections <= _MOST_CONNECTIONS:
            most = _MOST_CONNECTIONS
            raise UserError(f"connections: {self.connections} is not from 1 to {most}")

    def _check_stop(self) -> None:
        plain = Load(stop=self.stop, expect=self.expect)
        if self != plain:
            raise UserError("a step that stops a load has `stop` and perhaps `expect`, no more")

    def starts_load(self) -> str:
        return self.start

    def stops_load(self) -> str:
        return self.stop

    async def run(self, lab: Lab) -> str:
        if self.stop:
            return self._judge(await _ended(lab, self.stop))
        name = self.start or "load"
        lab.loads[name] = await self._begin(lab)
        if not self.start:
            return self._judge(await _ended(lab, name, at_once=False))
        return await _first_answer(lab, lab.loads[name])

    async def _begin(self, lab: Lab) -> RunningLoad:
        origin = await lab.origin(self.from_)
        url = await lab.expand(self.http)
        return RunningLoad(
            functools.partial(self._asker, url, origin.names),
            namespace=origin.netns,
            rate=self.rate,
            connections=self.connections,
            for_s=self.for_s,
        )

    def _asker(self, url: str, names: Names) -> Callable[[], Outcome]:
        return HttpAsker(url, names, timeout_s=self.timeout_s, keep_alive=self.keep_alive).ask

    def _judge(self, tally: Tally) -> str:
        wrong = self._wrong(tally)
        if wrong:
            raise StepFailedError(f"{wrong}\n{tally}")
        return str(tally)

    def _wrong(self, tally: Tally) -> str:
        """Return what is not as expected, an empty string if all is."""
        expect, failed = self.expect, tally.failed.total()
        p99_s = tally.percentile_s(99)
        if expect.failed is not None and failed > expect.failed:
            return f"expected at most {expect.failed} failed requests, got {failed}"
        if failed < expect.failed_at_least:
            return f"expected at least {expect.failed_at_least} failed requests, got {failed}"
        if tally.ok < expect.ok:
            return f"expected at least {expect.ok} good answers, got {tally.ok}"
        if len(tally.answers) < expect.backends:
            return f"expected answers from {expect.backends} backends, got {len(tally.answers)}"
        if expect.p99_s and p99_s > expect.p99_s:
            return f"expected 99 % within {expect.p99_s:g} s, got {p99_s:.3f} s"
        return ""


async def _ended(lab: Lab, name: str, *, at_once: bool = True) -> Tally:
    load = lab.loads.pop(name)
    if at_once and not load.has_bound:
        load.end()
    try:
        return await lab.blocking(load.wait)
    finally:
        load.end()


async def _first_answer(lab: Lab, load: RunningLoad) -> str:
    """Wait until something has come back: what follows meets a load that flows."""

    async def look() -> str | None:
        if load.broken:
            load.wait()
        return "it flows" if load.answered else None

    return await lab.until(look, within_s=_FIRST_ANSWER_S, what="the first request's end")


STEP: Final = Load
