"""`probe`: send packets from a pod, a node or the host, and judge what comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from netemu.errors import UserError
from netemu.lab import probing, references
from netemu.lab.contract import Step, StepFailedError
from netemu.lab.judging import Expectation, check_source, judge, spread
from netemu.lab.lab import Lab, Origin
from netemu.lab.probing import Outcome, Result

_PAUSE_S = 0.05
_RECORD_TYPES = ("A", "AAAA", "CNAME", "PTR", "SRV", "TXT", "NS", "SOA", "MX")


class Probe(Step):
    from_: str
    """`host` (or `external`: a client outside the cluster), `node/NAME`, `pod/NAME`,
    `deployment/NAME` (its first ready Pod)."""
    each: bool = False
    """Send from each ready Pod of `from`, `times` each, not from the first alone."""
    http: str = ""
    """A URL. In all targets `{pod/NAME}` stands for that Pod's address, and likewise
    `{deployment/NAME}` (its first ready Pod), `{service/NAME}`, `{node/NAME}` and `{host}`."""
    tcp: str = ""
    """`HOST:PORT`: a connection is opened and closed."""
    udp: str = ""
    """`HOST:PORT`; what is sent is in `send`."""
    ping: str = ""
    """A host: one ICMP echo request."""
    dns: str = ""
    """A name, walked through the sender's search list."""
    type: str = "A"
    """The record type of a DNS probe."""
    send: str = "hostname"
    """What a UDP probe sends."""
    times: int = 1
    """How often, one after the other."""
    pause_s: float = msgspec.field(default=0.0, name="pauseSeconds")
    """How long to wait between one and the next."""
    timeout_s: float = msgspec.field(default=2.0, name="timeoutSeconds")
    """How long one may take."""
    within_s: float = msgspec.field(default=5.0, name="withinSeconds")
    """How long the expectation may take to come true; all `times` are sent anew each round."""
    expect: Expectation = msgspec.field(default_factory=Expectation)
    """See below; without it each probe must be answered, with HTTP below 400."""

    def title(self) -> str:
        protocol, target = self._target()
        count = f", {self.times} times" if self.times > 1 else ""
        sender = f"each of {self.from_}" if self.each else self.from_
        return f"from {sender}: {protocol} {target}{count}"

    def check(self, folder: Path) -> None:
        references.check_origin(self.from_)
        references.check_pattern(self.expect.body)
        if self.times < 1:
            raise UserError(f"times: {self.times} probes show nothing")
        if self.expect.source:
            check_source(self.expect.source)
        if self.expect.pods_of:
            references.check_pods(self.expect.pods_of)
        if self.each and (self.from_ in references.OUTSIDE or self.from_.startswith("node/")):
            raise UserError(f"each: {self.from_} is one sender; each is for what has Pods")
        if self.type not in _RECORD_TYPES:
            known = ", ".join(_RECORD_TYPES)
            raise UserError(f'type: no record type "{self.type}"; there are: {known}')
        protocol, target = self._target()
        references.check_placeholders(target)
        references.check_placeholders(self.expect.body)
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
        while True:
            origins = await self._origins(lab)
            protocol, written = self._target()
            # Anew each round: a Pod may have been replaced by one with another address.
            target = await lab.expand(written)
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._from_one(lab, origin, protocol, target))
                    for origin in origins
                ]
            answers = [task.result() for task in tasks]
            wrong = await judge(self.expect, answers, lab)
            if not wrong:
                together = [outcome for outcomes in answers for outcome in outcomes]
                return ("" if target == written else f"{target}: ") + _summary(
                    together, whole=protocol == "dns"
                )
            if loop.time() > deadline:
                raise StepFailedError(wrong)
            await asyncio.sleep(_PAUSE_S)

    async def _origins(self, lab: Lab) -> list[Origin]:
        if self.each:
            return [await lab.pod_origin(pod) for pod in await lab.ready_pods(self.from_)]
        return [await lab.origin(self.from_)]

    async def _from_one(
        self, lab: Lab, origin: Origin, protocol: str, target: str
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for number in range(self.times):
            if number and self.pause_s:
                await asyncio.sleep(self.pause_s)
            outcomes.append(await self._once(lab, origin, protocol, target))
        return outcomes

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


def _host_port(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f'"{target}" is not HOST:PORT')
    return host, int(port)


def _summary(outcomes: Sequence[Outcome], *, whole: bool) -> str:
    first = outcomes[0]
    milliseconds = 1000 * sorted(outcome.seconds for outcome in outcomes)[len(outcomes) // 2]
    if first.result != Result.OK:
        return f"{first}, as expected"
    if len(outcomes) == 1:
        lines = first.body.splitlines()[: None if whole else 1]
        said = f"HTTP {first.status}" if first.status >= 400 else ", ".join(lines) or str(first)
        return f"{said} ({milliseconds:.1f} ms)"
    return f"{spread(outcomes)} (median {milliseconds:.1f} ms)"


STEP: Final = Probe
