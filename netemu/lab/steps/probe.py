"""`probe`: send packets from a pod, a node or the host, and judge what comes back."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from netemu.errors import UserError
from netemu.lab import probing, references
from netemu.lab.contract import Step, StepFailedError
from netemu.lab.lab import Lab, Origin
from netemu.lab.probing import Outcome, Result
from netemu.model.wire import ApiStruct

_PAUSE_S = 0.05
_RECORD_TYPES = ("A", "AAAA", "CNAME", "PTR", "SRV", "TXT", "NS", "SOA", "MX")


class Expectation(ApiStruct):
    """What must hold for every one of the probes, and for all of them together."""

    result: Result = Result.OK
    status: int = 0
    """HTTP status; 0 is any below 400."""
    body: str = ""
    """A regular expression that each answer must contain."""
    backends: int = 0
    """How many different answers must come, by their first lines; 0 is any number."""


class Probe(Step):
    from_: str
    """`host`, `node/NAME`, `pod/NAME`, `deployment/NAME` (its first ready Pod)."""
    http: str = ""
    tcp: str = ""
    """`HOST:PORT`. In all targets `{pod/NAME}` stands for that Pod's address."""
    udp: str = ""
    """`HOST:PORT`; what is sent is in `send`."""
    ping: str = ""
    dns: str = ""
    """A name, walked through the sender's search list."""
    type: str = "A"
    """The record type of a DNS probe."""
    send: str = "hostname"
    times: int = 1
    timeout_s: float = msgspec.field(default=2.0, name="timeoutSeconds")
    within_s: float = msgspec.field(default=5.0, name="withinSeconds")
    """How long the expectation may take to come true; all `times` are sent anew each round."""
    expect: Expectation = msgspec.field(default_factory=Expectation)

    def title(self) -> str:
        protocol, target = self._target()
        count = f", {self.times} times" if self.times > 1 else ""
        return f"from {self.from_}: {protocol} {target}{count}"

    def check(self, folder: Path) -> None:
        references.check_origin(self.from_)
        references.check_pattern(self.expect.body)
        if self.times < 1:
            raise UserError(f"times: {self.times} probes show nothing")
        if self.type not in _RECORD_TYPES:
            known = ", ".join(_RECORD_TYPES)
            raise UserError(f'type: no record type "{self.type}"; there are: {known}')
        protocol, target = self._target()
        if protocol in ("tcp", "udp"):
            _host_port(target)
        if protocol == "http" and not target.startswith("http://"):
            raise UserError(f'"{target}" is no URL: write http://HOST[:PORT]/PATH')

    def _target(self) -> tuple[str, str]:
        given = [
            (name, str(getattr(self, name)))
            for name in ("http", "tcp", "udp", "ping", "dns")
            if getattr(self, name)
        ]
        if len(given) != 1:
            raise UserError("a probe has exactly one of: http, tcp, udp, ping, dns")
        return given[0]

    async def run(self, lab: Lab) -> str:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.within_s
        origin = await lab.origin(self.from_)
        while True:
            protocol, written = self._target()
            # Anew each round: a Pod may have been replaced by one with another address.
            target = await lab.expand(written)
            outcomes = [await self._once(lab, origin, protocol, target) for _ in range(self.times)]
            wrong = self._judge(outcomes)
            if not wrong:
                return ("" if target == written else f"{target}: ") + _summary(outcomes)
            if loop.time() > deadline:
                raise StepFailedError(wrong)
            await asyncio.sleep(_PAUSE_S)

    async def _once(self, lab: Lab, origin: Origin, protocol: str, target: str) -> Outcome:
        names, timeout_s = origin.names, self.timeout_s
        if protocol == "http":
            return await lab.send(origin, probing.http_get, target, names, timeout_s=timeout_s)
        if protocol == "dns":
            return await lab.send(origin, probing.dns_query, target, self.type, names)
        if protocol == "ping":
            return await lab.send(origin, probing.ping, target, names, timeout_s=timeout_s)
        host, port = _host_port(target)
        if protocol == "tcp":
            return await lab.send(
                origin, probing.tcp_connect, host, port, names, timeout_s=timeout_s
            )
        return await lab.send(
            origin, probing.udp_exchange, host, port, self.send, names, timeout_s=timeout_s
        )

    def _judge(self, outcomes: Sequence[Outcome]) -> str:
        """Return what is not as expected, an empty string if all is."""
        expect = self.expect
        for outcome in outcomes:
            if outcome.result != expect.result:
                return f"expected {expect.result}, got {outcome}"
            if expect.status and outcome.status != expect.status:
                return f"expected HTTP {expect.status}, got {outcome.status}"
            if not expect.status and outcome.status >= 400:
                return f"got HTTP {outcome.status}: {outcome.body[:200]}"
            if not re.search(expect.body, outcome.body, re.MULTILINE):
                return f'answer does not match "{expect.body}": {outcome.body[:200]}'
        found = len(_counts(outcomes))
        if expect.backends and found != expect.backends:
            seen = _spread(outcomes)
            return f"expected answers from {expect.backends} backends, got {found}: {seen}"
        return ""


def _host_port(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f'"{target}" is not HOST:PORT')
    return host, int(port)


def _counts(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Count the answers by their first lines: further ones may tell the asker's own port."""
    return Counter(o.body.splitlines()[0] if o.body else str(o) for o in outcomes)


def _spread(outcomes: Sequence[Outcome]) -> str:
    return ", ".join(f"{answer} ×{count}" for answer, count in sorted(_counts(outcomes).items()))


def _summary(outcomes: Sequence[Outcome]) -> str:
    first = outcomes[0]
    milliseconds = 1000 * sorted(outcome.seconds for outcome in outcomes)[len(outcomes) // 2]
    if first.result != Result.OK:
        return f"{first}, as expected"
    if len(outcomes) == 1:
        return f"{next(iter(_counts(outcomes)))} ({milliseconds:.1f} ms)"
    return f"{_spread(outcomes)} (median {milliseconds:.1f} ms)"


STEP: Final = Probe
