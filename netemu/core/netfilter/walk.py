"""A packet's way through the rules, without a kernel.

`walk` takes the first packet of a connection through the hooks of one host, as the
kernel would, and returns everything that can come of it: a rule that decides by
chance splits the way in two. The tables come from a mode's plan or from
`iptables-save`; the same table of expectations can be tried here and with real packets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address

from netemu.core.netfilter.rule import Match, Option, Rule, Where, parse
from netemu.core.netfilter.tables import Tables

Address = IPv4Address | IPv6Address


class Verdict(StrEnum):
    ACCEPT = "accept"
    DROP = "drop"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """The first packet of a connection. Without `in_link` the host itself sends it."""

    source: Address
    destination: Address
    protocol: str = "tcp"
    port: int = 0
    in_link: str = ""
    mark: int = 0
    state: str = "NEW"
    translated: bool = False
    """Its destination was rewritten: conntrack status DNAT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What matching needs to know of the host the packet is on."""

    addresses: frozenset[Address]
    remembered: Mapping[str, frozenset[Address]] = field(default_factory=dict)
    """xt_recent's lists: name → the sources seen."""

    def is_local(self, address: Address) -> bool:
        return address in self.addresses or address.is_loopback


@dataclass(frozen=True, slots=True)
class Step:
    """One rule that the packet met and matched."""

    table: str
    chain: str
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the packet. Two ways to the same end are one outcome."""

    verdict: Verdict
    destination: Address
    port: int
    masqueraded: bool = False
    path: tuple[Step, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class _Way:
    """A packet somewhere on its way; `ended` when no later hook sees it."""

    packet: Packet
    verdict: Verdict | None = None
    """Of the hook that it just passed: ACCEPT goes on, the others are final."""
    masqueraded: bool = False
    returned: bool = False
    path: tuple[Step, ...] = ()


def walk(tables: Tables, packet: Packet, host: Host) -> frozenset[Outcome]:
    """Return everything that can become of the packet."""
    first = ("nat", "PREROUTING") if packet.in_link else ("nat", "OUTPUT")
    outcomes: set[Outcome] = set()
    for way in _hook(tables, first, _Way(packet), host):
        for filtered in _hook(tables, ("filter", _filter_hook(way, host)), way, host):
            stays = packet.in_link and host.is_local(filtered.packet.destination)
            if stays or filtered.verdict is not Verdict.ACCEPT:
                outcomes.add(_outcome(filtered))
            else:
                last = _hook(tables, ("nat", "POSTROUTING"), filtered, host)
                outcomes.update(_outcome(left) for left in last)
    return frozenset(outcomes)


def _filter_hook(way: _Way, host: Host) -> str:
    if not way.packet.in_link:
        return "OUTPUT"
    return "INPUT" if host.is_local(way.packet.destination) else "FORWARD"


def _outcome(way: _Way) -> Outcome:
    return Outcome(
        verdict=way.verdict or Verdict.ACCEPT,
        destination=way.packet.destination,
        port=way.packet.port,
        masqueraded=way.masqueraded,
        path=way.path,
    )


def _hook(tables: Tables, hook: tuple[str, str], way: _Way, host: Host) -> Iterator[_Way]:
    """Yield the ways out of a built-in chain; its policy is ACCEPT."""
    table, chain = hook
    for left in _Traversal(tables, table, host).chain(chain, replace(way, verdict=None)):
        yield replace(left, verdict=left.verdict or Verdict.ACCEPT, returned=False)


class _Traversal:
    """One table's chains on one host."""

    def __init__(self, tables: Tables, table: str, host: Host) -> None:
        self._chains = tables.get(table, {})
        self._table = table
        self._host = host

    def chain(self, name: str, way: _Way) -> Iterator[_Way]:
        """Yield the ways out of a chain: with a verdict, or back to the caller."""
        ways = [way]
        for text in self._chains.get(name, ()):
            rule = parse(text)
            going_on: list[_Way] = []
            for here in ways:
                for after in self._rule(name, rule, here):
                    if after.verdict is not None or after.returned:
                        yield replace(after, returned=False)
                    else:
                        going_on.append(after)
            ways = going_on
            if not ways:
                return
        yield from ways

    def _rule(self, chain: str, rule: Rule, way: _Way) -> Iterator[_Way]:
        certain = self._matches(rule, way.packet)
        if certain is False:
            yield way
            return
        if certain is None:
            yield way  # By chance: both happen.
        step = Step(self._table, chain, rule.text)
        yield from self._target(rule, replace(way, path=(*way.path, step)))

    def _target(self, rule: Rule, way: _Way) -> Iterator[_Way]:
        packet = way.packet
        match rule.target:
            case "":
                yield way
            case "ACCEPT" | "DROP" | "REJECT":
                yield replace(way, verdict=Verdict(rule.target.lower()))
            case "RETURN":
                yield replace(way, returned=True)
            case "MARK":
                yield replace(way, packet=replace(packet, mark=_marked(rule, packet.mark)))
            case "MASQUERADE":
                yield replace(way, verdict=Verdict.ACCEPT, masqueraded=True)
            case "DNAT":
                address, port = _translation(rule, packet.port)
                moved = replace(packet, destination=address, port=port, translated=True)
                yield replace(way, packet=moved, verdict=Verdict.ACCEPT)
            case chain:
                yield from self.chain(chain, way)

    def _matches(self, rule: Rule, packet: Packet) -> bool | None:
        """Does the packet match? None: sometimes."""
        certain = (
            _within(rule.source, packet.source)
            and _within(rule.destination, packet.destination)
            and rule.protocol in ("", packet.protocol)
            and _through(rule.in_link, packet.in_link)
        )
        if not certain:
            return False
        answers = [self._match(match, packet) for match in rule.matches]
        if False in answers:
            return False
        return None if None in answers else True

    def _match(self, match: Match, packet: Packet) -> bool | None:
        if match.name == "statistic":
            return None
        if match.name == "recent":
            return self._remembers(match, packet)
        return all(self._option(option, packet) for option in match.options)

    def _remembers(self, match: Match, packet: Packet) -> bool:
        if match.option("--set") is not None:
            return True
        name = match.option("--name")
        seen = self._host.remembered.get(str(name.value) if name else "DEFAULT", frozenset())
        return packet.source in seen

    def _option(self, option: Option, packet: Packet) -> bool:
        return self._holds(option, packet) is not option.negated

    def _holds(self, option: Option, packet: Packet) -> bool:
        match option.name, option.value:
            case "--dport", str(port):
                return _in_range(port, packet.port)
            case "--dports", str(ports):
                return any(_in_range(some, packet.port) for some in ports.split(","))
            case "--mark", (int(mark), int(mask)):
                return packet.mark & mask == mark
            case "--ctstate", frozenset() as states:
                return packet.state in states or ("DNAT" in states and packet.translated)
            case "--dst-type", "LOCAL":
                return self._host.is_local(packet.destination)
            case "--src-type", "LOCAL":
                return self._host.is_local(packet.source)
            case name, value:
                raise NotImplementedError(f"a packet walk does not know {name} {value}")


def _within(where: Where | None, address: Address) -> bool:
    return where is None or (address in where.network) is not where.negated


def _through(option: Option | None, link: str) -> bool:
    if option is None:
        return True
    name = str(option.value)
    same = link.startswith(name[:-1]) if name.endswith("+") else link == name
    return same is not option.negated


def _in_range(ports: str, port: int) -> bool:
    first, _, last = ports.partition(":")
    return int(first) <= port <= int(last or first)


def _marked(rule: Rule, mark: int) -> int:
    for option in rule.target_options:
        if option.name == "--set-xmark" and isinstance(option.value, tuple):
            value, mask = option.value
            return (mark & ~mask) ^ value
    return mark


def _translation(rule: Rule, port: int) -> tuple[Address, int]:
    texts = [str(o.value) for o in rule.target_options if o.name == "--to-destination"]
    text = texts[0]
    if text.startswith("["):
        address, _, behind = text[1:].partition("]")
        return ip_address(address), int(behind[1:] or port)
    address, _, behind = text.partition(":")
    return ip_address(address), int(behind or port)
