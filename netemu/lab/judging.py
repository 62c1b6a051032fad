"""What probes saw, against what was expected: empty text, or what is not as it should be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

import msgspec

from netemu.errors import UserError
from netemu.lab import references
from netemu.lab.lab import Lab
from netemu.lab.probing import Outcome, Result
from netemu.model.core_v1 import Node, Pod
from netemu.model.wire import ApiStruct

_ZONE = "topology.kubernetes.io/zone"


class Expectation(ApiStruct):
    """What must hold for every one of the probes, and for all of them together."""

    result: Result = Result.OK
    """How each ended: `ok`, `refused`, `timeout`, `unreachable`, `reset`, `no-name`."""
    status: int = 0
    """HTTP status; 0 is any below 400."""
    body: str = ""
    """A regular expression that each answer must contain; `{pod/NAME}` and the like stand
    for addresses here, too."""
    source: str = ""
    """Who the server took the client for: `host`, `node/NAME` (any address of that node),
    `pod/NAME`. For answers that begin with the client's address, as netexec's `/clientip`."""
    backends: int = 0
    """How many different answers must come, by their first lines; 0 is any number."""
    backends_at_least: int = 0
    """At least so many different answers must come."""
    sticky: bool | None = None
    """true: each sender got all its answers from one backend; false: some sender did not."""
    nodes: list[str] = msgspec.field(default_factory=list)
    """The nodes whose Pods answered: these, all of them. For answers that are Pods' names."""
    zones: list[str] = msgspec.field(default_factory=list)
    """The zones whose Pods answered, likewise."""
    records: int = 0
    """How many records a DNS answer must have; 0 is any number."""
    pods_of: str = ""
    """`deployment/NAME` and the like: a DNS answer is the addresses of its ready Pods."""


def check_source(reference: str) -> None:
    """Raise UserError unless a client could be there."""
    if not re.fullmatch(r"host|external|(node|pod)/[^{}]+", reference):
        raise UserError(f'source: "{reference}": write host, node/NAME or pod/NAME')


async def judge(expect: Expectation, answers: Sequence[Sequence[Outcome]], lab: Lab) -> str:
    """Return what is not as expected; `answers` has a list for each sender."""
    together = [outcome for outcomes in answers for outcome in outcomes]
    pattern = await lab.expand(expect.body, re.escape)
    for outcome in together:
        if wrong := _judge_one(expect, pattern, outcome):
            return wrong
    return (
        _judge_backends(expect, together)
        or _judge_stickiness(expect, answers)
        or await _judge_source(expect, together, lab)
        or await _judge_places(expect, together, lab)
        or await _judge_records(expect, together, lab)
    )


def _judge_one(expect: Expectation, pattern: str, outcome: Outcome) -> str:
    if outcome.result != expect.result:
        return f"expected {expect.result}, got {outcome}"
    if expect.status and outcome.status != expect.status:
        return f"expected HTTP {expect.status}, got {outcome.status}"
    if not expect.status and outcome.status >= 400:
        return f"got HTTP {outcome.status}: {outcome.body[:200]}"
    if not re.search(pattern, outcome.body, re.MULTILINE):
        return f'answer does not match "{pattern}": {outcome.body[:200]}'
    records = len(outcome.body.splitlines())
    if expect.records and records != expect.records:
        return f"expected {expect.records} records, got {records}: {_listed(outcome)}"
    return ""


def _listed(outcome: Outcome) -> str:
    return ", ".join(outcome.body.splitlines()) or "none"


def _judge_backends(expect: Expectation, outcomes: Sequence[Outcome]) -> str:
    found = len(counts(outcomes))
    if expect.backends and found != expect.backends:
        seen = spread(outcomes)
        return f"expected answers from {expect.backends} backends, got {found}: {seen}"
    if found < expect.backends_at_least:
        least = expect.backends_at_least
        return f"expected at least {least} backends, got {found}: {spread(outcomes)}"
    return ""


def _judge_stickiness(expect: Expectation, answers: Sequence[Sequence[Outcome]]) -> str:
    wanderers = [spread(outcomes) for outcomes in answers if len(counts(outcomes)) > 1]
    if expect.sticky and wanderers:
        return f"expected one backend for each sender, got {wanderers[0]}"
    if expect.sticky is False and not wanderers:
        return "expected a sender to be answered by several backends, each was by one"
    return ""


async def _judge_source(expect: Expectation, outcomes: Sequence[Outcome], lab: Lab) -> str:
    if not expect.source:
        return ""
    wanted = await _addresses_of(expect.source, lab)
    for outcome in outcomes:
        seen = outcome.body.partition(":")[0]
        if seen not in wanted:
            known = ", ".join(sorted(wanted))
            return f"expected the source {expect.source} ({known}), the server saw {seen}"
    return ""


async def _addresses_of(place: str, lab: Lab) -> set[str]:
    """Return the addresses that a packet from there may bear."""
    kind, _, name = place.partition("/")
    if kind in references.OUTSIDE:
        return {str(lab.settings.host_address)}
    if kind == "pod":
        return {(await lab.ready_pod(place)).status.pod_ip}
    node = await lab.client.get(Node, name)
    # Masquerading takes the address of the link that a packet leaves by: the underlay's,
    # the tunnel's (.0 of the node's Pods) or the bridge's (.1).
    addresses = {str(lab.node(name).address)}
    if node.spec.pod_cidr:
        first: IPv4Address = IPv4Network(node.spec.pod_cidr).network_address
        addresses |= {str(first), str(first + 1)}
    return addresses


async def _judge_places(expect: Expectation, outcomes: Sequence[Outcome], lab: Lab) -> str:
    if not expect.nodes and not expect.zones:
        return ""
    pods = await lab.client.list(Pod, lab.default_namespace)
    node_of = {pod.metadata.name: pod.spec.node_name for pod in pods.items}
    nodes = {node_of.get(answer, f"no Pod {answer}") for answer in counts(outcomes)}
    if expect.nodes and nodes != set(expect.nodes):
        return f"expected answers from {', '.join(expect.nodes)}, got {', '.join(sorted(nodes))}"
    if not expect.zones:
        return ""
    labels = {n.metadata.name: n.metadata.labels for n in (await lab.client.list(Node)).items}
    zones = {labels.get(node, {}).get(_ZONE, f"no zone of {node}") for node in nodes}
    if zones != set(expect.zones):
        return f"expected zones {', '.join(expect.zones)}, got {', '.join(sorted(zones))}"
    return ""


async def _judge_records(expect: Expectation, outcomes: Sequence[Outcome], lab: Lab) -> str:
    if not expect.pods_of:
        return ""
    wanted = {pod.status.pod_ip for pod in await lab.ready_pods(expect.pods_of)}
    for outcome in outcomes:
        if set(outcome.body.splitlines()) != wanted:
            known = ", ".join(sorted(wanted))
            return f"expected the addresses of {expect.pods_of} ({known}), got {_listed(outcome)}"
    return ""


def counts(outcomes: Sequence[Outcome]) -> Counter[str]:
    """Count the answers by their first lines: further ones may tell the asker's own port."""
    return Counter(o.body.splitlines()[0] if o.body else str(o) for o in outcomes)


def spread(outcomes: Sequence[Outcome]) -> str:
    """Return who answered how often."""
    return ", ".join(f"{answer} ×{count}" for answer, count in sorted(counts(outcomes).items()))
