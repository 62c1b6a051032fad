"""Probes, decided: when the next one is due and what a result changes.

A `ProbeState` counts equal results in a row; its verdict flips at the thresholds
(control-plane-and-node.md, 3.4). The probing itself is the daemon's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from netemu.core.grpc_health import OK, UNIMPLEMENTED, Answer, Health, code_name, health_of
from netemu.errors import NetemuError
from netemu.model.core_v1 import Container, HTTPGetAction, Probe

SETTLING_S = 1.0
"""A failure this soon after the container's start does not count and is tried again at
once. The kubelet's first probe comes at a random moment of the first period; ours
comes when the container can answer, so that nobody waits ten seconds for nothing."""
_SETTLING_RETRY_S = 0.05
_HEALTH_NAMES = {int(health): health.name for health in Health}


class ProbeKind(StrEnum):
    STARTUP = "startup"
    LIVENESS = "liveness"
    READINESS = "readiness"


class Outcome(StrEnum):
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"
    """The prober itself failed: not counted."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    outcome: Outcome
    message: str = ""
    warning: str = ""
    """Said in an event though the probe succeeded: a redirect to another host."""


@dataclass(slots=True, kw_only=True)
class ProbeState:
    """One probe of one run."""

    kind: ProbeKind
    started_at: float
    """When the container started."""
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int

    last: Outcome | None = None
    in_a_row: int = 0
    verdict: bool | None = None
    """None until the first threshold is reached."""
    tried: int = 0
    """Failures of the start, which do not count."""
    next_at: float = 0.0

    def settling(self, result: ProbeResult, now: float) -> bool:
        """Whether this failure is one of the start, to be tried again and not counted."""
        early = now < self.started_at + SETTLING_S
        return result.outcome is not Outcome.SUCCESS and early and self.verdict is None

    def next_after(self, now: float, *, settling: bool) -> float:
        if not settling:
            return now + self.period_s
        # 50, 100, 200 … ms: fast for who starts fast, cheap for the rest.
        delay_s = _SETTLING_RETRY_S * float(2 ** min(self.tried, 4))
        self.tried += 1
        return min(now + delay_s, max(self.started_at + SETTLING_S, now + _SETTLING_RETRY_S))

    def record(self, result: ProbeResult) -> bool:
        """Count the result; True if the verdict has changed."""
        if result.outcome is Outcome.ERROR:
            return False
        self.in_a_row = self.in_a_row + 1 if result.outcome is self.last else 1
        self.last = result.outcome
        good = result.outcome is Outcome.SUCCESS
        threshold = self.success_threshold if good else self.failure_threshold
        if self.in_a_row < threshold or self.verdict is good:
            return False
        self.verdict = good
        return True


def state_of(kind: ProbeKind, probe: Probe, *, started_at: float) -> ProbeState:
    """Return the state before the first probe; zeros stand for Kubernetes' defaults."""
    return ProbeState(
        kind=kind,
        started_at=started_at,
        next_at=started_at + probe.initial_delay_seconds,
        period_s=probe.period_seconds or 10,
        timeout_s=probe.timeout_seconds or 1,
        success_threshold=probe.success_threshold or 1,
        failure_threshold=probe.failure_threshold or 3,
    )


def probe_of(container: Container, kind: ProbeKind) -> Probe | None:
    match kind:
        case ProbeKind.STARTUP:
            return container.startup_probe
        case ProbeKind.LIVENESS:
            return container.liveness_probe
        case ProbeKind.READINESS:
            return container.readiness_probe


class ProbePortError(NetemuError):
    """A probe names a port that its container does not declare."""


def port_of(container: Container, port: int | str) -> int:
    """Return the number of a port, which may be one of the container's names."""
    if isinstance(port, int):
        return port
    named = [p.container_port for p in container.ports if p.name == port]
    if named:
        return named[0]
    if port.isdigit():
        return int(port)
    raise ProbePortError(f"couldn't find port: {port}")


def url_of(action: HTTPGetAction, container: Container, pod_ip: IPv4Address) -> str:
    """Return the URL that an HTTP probe or hook asks for."""
    scheme = (action.scheme or "HTTP").lower()
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    return f"{scheme}://{action.host or pod_ip}:{port_of(container, action.port)}{path}"


def judge_status(status: int, *, same_host: bool, location: str) -> ProbeResult:
    """Return what an HTTP status means; a redirect to elsewhere is a success with a warning."""
    if 300 <= status < 400 and not same_host:
        text = f"Probe terminated redirects, Response body: {location}"
        return ProbeResult(Outcome.SUCCESS, warning=text)
    if 200 <= status < 400:
        return ProbeResult(Outcome.SUCCESS)
    return ProbeResult(Outcome.FAILURE, f"HTTP probe failed with statuscode: {status}")


def judge_health(answer: Answer) -> ProbeResult:
    """Return what the answer to a gRPC health check means."""
    if answer.code == UNIMPLEMENTED:
        text = "error: this server does not implement the grpc health protocol"
        return ProbeResult(Outcome.FAILURE, f"{text} (grpc.health.v1.Health): {answer.text}")
    if answer.code != OK:
        error = f"rpc error: code = {code_name(answer.code)} desc = {answer.text}"
        return ProbeResult(Outcome.FAILURE, f"error: health rpc probe failed: {error}")
    try:
        health = health_of(answer.message)
    except ValueError as error:
        return ProbeResult(Outcome.FAILURE, f"error: health rpc probe failed: {error}")
    if health == Health.SERVING:
        return ProbeResult(Outcome.SUCCESS, "service healthy")
    name = _HEALTH_NAMES.get(health, str(health))
    return ProbeResult(Outcome.FAILURE, f'service unhealthy (responded with "{name}")')


def event_message(kind: ProbeKind, result: ProbeResult) -> str:
    """Return the text of the event Unhealthy."""
    verb = "errored" if result.outcome is Outcome.ERROR else "failed"
    return f"{kind.value.capitalize()} probe {verb}: {result.message}"
