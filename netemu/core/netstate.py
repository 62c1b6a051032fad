"""What a network namespace should hold, as data, and the way there from what it does hold.

`diff` compares a desired state with an observed one and returns changes in an order
in which the kernel takes them: doomed things first, from routes down to links, then
sysctls (a new link copies `default`), links, addresses, neighbours, forwarding entries
and last the routes that need all of them. Each change prints as the iproute2 command
that would do the same, so a plan, a dry run and a drift report read alike.

Only what bears on the desired state may be in the observed one: a `Scope` says what is
looked at, and whatever is found there and not wanted is removed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Vxlan:
    """What makes a VXLAN device what it is. The kernel changes none of it in place."""

    vni: int
    local: IPv4Address
    device: str
    port: int
    learning: bool = False

    def __str__(self) -> str:
        learning = "learning" if self.learning else "nolearning"
        return f"id {self.vni} local {self.local} dev {self.device} dstport {self.port} {learning}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The far end of a cable: its name, and the namespace it lies in."""

    name: str
    netns: str
    mac: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network device. What is None or empty is left as it is."""

    name: str
    kind: str = ""
    """`bridge`, `veth`, `vxlan`; empty for one that somebody else makes."""
    mtu: int | None = None
    mac: str = ""
    up: bool = True
    master: str = ""
    hairpin: bool = False
    alias: str = ""
    vxlan: Vxlan | None = None
    peer: Peer | None = None
    """Only for making a veth; a cable that is there is not looked at again."""

    def __str__(self) -> str:
        words = [
            f"mtu {self.mtu}" if self.mtu else "",
            f"address {self.mac}" if self.mac else "",
            f"master {self.master}" if self.master else "",
            f'alias "{self.alias}"' if self.alias else "",
            f"type {self.kind}" if self.kind else "",
            str(self.vxlan or ""),
            f"peer {self.peer.name} netns {self.peer.netns}" if self.peer else "",
            "hairpin on" if self.hairpin else "",
            "up" if self.up else "down",
        ]
        return " ".join(["link", self.name, *filter(None, words)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    link: str
    address: IPv4Interface

    def __str__(self) -> str:
        return f"addr {self.address} dev {self.link}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A permanent entry of the ARP table."""

    link: str
    address: IPv4Address
    mac: str

    def __str__(self) -> str:
        return f"neigh {self.address} lladdr {self.mac} dev {self.link} nud permanent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardingEntry:
    """Behind which tunnel end a MAC lies: `bridge fdb` of a VXLAN device."""

    link: str
    mac: str
    destination: IPv4Address

    def __str__(self) -> str:
        return f"fdb {self.mac} dev {self.link} dst {self.destination} self permanent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    destination: IPv4Network
    link: str
    via: IPv4Address | None = None
    onlink: bool = False
    """The gateway is reached through the link although no address says so."""

    def __str__(self) -> str:
        default = self.destination.prefixlen == 0
        words = [
            "route default" if default else f"route {self.destination}",
            f"via {self.via}" if self.via else "",
            f"dev {self.link}",
            "onlink" if self.onlink else "",
        ]
        return " ".join(filter(None, words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sysctl:
    """A setting below /proc/sys, named as sysctl(8) does: `net.ipv4.conf.flannel/1.forwarding`."""

    name: str
    value: str
    optional: bool = False
    """A kernel without this facility does not need it either."""

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


Item = Link | Address | Neighbour | ForwardingEntry | Route | Sysctl
T = TypeVar("T", Link, Address, Neighbour, ForwardingEntry, Route, Sysctl)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetState:
    """The part of one namespace's state that somebody cares about."""

    sysctls: frozenset[Sysctl] = frozenset()
    links: tuple[Link, ...] = ()
    """In the order in which they can be made."""
    addresses: frozenset[Address] = frozenset()
    neighbours: frozenset[Neighbour] = frozenset()
    forwarding: frozenset[ForwardingEntry] = frozenset()
    routes: frozenset[Route] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What belongs to the one who plans: these links with all that hangs on them, and
    the routes through `shared_link` that lead into `within`.
    """

    links: frozenset[str] = frozenset()
    shared_link: str = ""
    within: IPv4Network | None = None

    def covers(self, route: Route) -> bool:
        if route.link in self.links:
            return True
        return (
            self.within is not None
            and route.link == self.shared_link
            and route.destination.subnet_of(self.within)
        )


class Verb(StrEnum):
    ADD = "add"
    DELETE = "del"
    SET = "set"
    REPLACE = "replace"


@dataclass(frozen=True, slots=True)
class Change:
    """One step from the observed state to the desired one."""

    verb: Verb
    item: Item

    def __str__(self) -> str:
        if isinstance(self.item, Sysctl):
            return f"sysctl -w {self.item}"
        program = "bridge" if isinstance(self.item, ForwardingEntry) else "ip"
        noun, _, rest = str(self.item).partition(" ")
        if isinstance(self.item, Link) and self.verb is Verb.DELETE:
            rest = self.item.name
        return f"{program} {noun} {self.verb} {rest}"


def diff(desired: NetState, observed: NetState) -> list[Change]:
    """Return the changes that make what is observed what is desired."""
    present = {link.name: link for link in observed.links}
    doomed = [
        link
        for link in observed.links
        if (wanted := _named(desired.links, link.name)) is None or _must_be_remade(wanted, link)
    ]
    # With a link goes all that hangs on it, unasked.
    gone = {link.name for link in doomed}
    rest = NetState(
        sysctls=observed.sysctls,
        addresses=frozenset(a for a in observed.addresses if a.link not in gone),
        neighbours=frozenset(n for n in observed.neighbours if n.link not in gone),
        forwarding=frozenset(f for f in observed.forwarding if f.link not in gone),
        routes=frozenset(r for r in observed.routes if r.link not in gone),
    )
    return [
        *_removals(desired, rest),
        *(Change(Verb.DELETE, link) for link in doomed),
        *(Change(Verb.SET, s) for s in _sorted(desired.sysctls - observed.sysctls)),
        *_link_changes(desired.links, {n: o for n, o in present.items() if n not in gone}),
        *(Change(Verb.ADD, a) for a in _sorted(desired.addresses - rest.addresses)),
        *(Change(Verb.REPLACE, n) for n in _sorted(desired.neighbours - rest.neighbours)),
        *(Change(Verb.REPLACE, f) for f in _sorted(desired.forwarding - rest.forwarding)),
        *(Change(Verb.REPLACE, r) for r in _sorted(desired.routes - rest.routes)),
    ]


@dataclass(frozen=True, slots=True)
class Mending:
    """What is to be done about damage, and what is only to be told of."""

    changes: tuple[Change, ...] = ()
    down: tuple[str, ...] = ()
    """Links that somebody has set down."""

    @property
    def recabled(self) -> frozenset[str]:
        """Namespaces that new cables lead to."""
        links = (change.item for change in self.changes if change.verb is Verb.ADD)
        return frozenset(
            link.peer.netns for link in links if isinstance(link, Link) and link.peer is not None
        )


def mend(desired: NetState, observed: NetState) -> Mending:
    """Return how to make again what is missing, and no more.

    Whoever deletes a link gets it back, as from an agent that looks after it. Whoever sets
    one down wants it down: it stays so, with the addresses and routes that went with it.
    A route that leads elsewhere than planned is somebody's own, too.
    """
    down = set_down(desired, observed)
    routed = {route.destination for route in observed.routes}
    changes = []
    for change in diff(replace(desired, sysctls=frozenset()), observed):
        item = change.item
        if change.verb is Verb.DELETE or isinstance(item, Sysctl):
            continue
        if _on(change) in down or (isinstance(item, Route) and item.destination in routed):
            continue
        changes.append(change)
    return Mending(tuple(changes), tuple(sorted(down)))


def set_down(desired: NetState, observed: NetState) -> frozenset[str]:
    """Return the links that are there and should be up, and that somebody has set down."""
    wanted = {link.name for link in desired.links if link.up}
    return frozenset(link.name for link in observed.links if link.name in wanted and not link.up)


def sparing(changes: Iterable[Change], down: Collection[str]) -> list[Change]:
    """Return the changes but for those that would set these links up, or need them up."""
    return [change for change in changes if change.verb is Verb.DELETE or _on(change) not in down]


def _on(change: Change) -> str:
    """Return the link that the change is about; empty for a sysctl."""
    item = change.item
    if isinstance(item, Sysctl):
        return ""
    return item.name if isinstance(item, Link) else item.link


def _removals(desired: NetState, observed: NetState) -> Iterator[Change]:
    """Yield what must go, but for what will be replaced in place: no packet may fall between."""
    destinations = {route.destination for route in desired.routes}
    for route in _sorted(observed.routes - desired.routes):
        if route.destination not in destinations:
            yield Change(Verb.DELETE, route)
    macs = {(entry.link, entry.mac) for entry in desired.forwarding}
    for entry in _sorted(observed.forwarding - desired.forwarding):
        if (entry.link, entry.mac) not in macs:
            yield Change(Verb.DELETE, entry)
    addresses = {(neighbour.link, neighbour.address) for neighbour in desired.neighbours}
    for neighbour in _sorted(observed.neighbours - desired.neighbours):
        if (neighbour.link, neighbour.address) not in addresses:
            yield Change(Verb.DELETE, neighbour)
    for address in _sorted(observed.addresses - desired.addresses):
        yield Change(Verb.DELETE, address)


def _link_changes(desired: Iterable[Link], present: dict[str, Link]) -> Iterator[Change]:
    for link in desired:
        if link.name not in present:
            if link.kind:
                yield Change(Verb.ADD, link)
            elif _settings(link):
                yield Change(Verb.SET, link)
        elif not _satisfied(link, present[link.name]):
            yield Change(Verb.SET, link)


def _must_be_remade(wanted: Link, found: Link) -> bool:
    return bool(wanted.kind) and (wanted.kind != found.kind or wanted.vxlan != found.vxlan)


def _settings(link: Link) -> dict[str, object]:
    """Return what the link asks for, of what can be asked for again."""
    made_once = {"name", "kind", "vxlan", "peer"}
    values = {f.name: getattr(link, f.name) for f in fields(link) if f.name not in made_once}
    return {name: value for name, value in values.items() if value not in (None, "", False)}


def _satisfied(wanted: Link, found: Link) -> bool:
    same = all(getattr(found, name) == value for name, value in _settings(wanted).items())
    return same and found.up == wanted.up


def _named(links: Iterable[Link], name: str) -> Link | None:
    return next((link for link in links if link.name == name), None)


def _sorted(items: Iterable[T]) -> list[T]:
    return sorted(items, key=str)


def with_links(state: NetState, *links: Link) -> NetState:
    """Return the state with more links."""
    return replace(state, links=(*state.links, *links))
