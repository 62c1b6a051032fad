"""Look at what a namespace holds and change it, in the terms of core/netstate.py.

All of this blocks, for a millisecond or so; callers that mind send it to a thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from netemu.core.netstate import (
    Address,
    Change,
    ForwardingEntry,
    Link,
    Neighbour,
    NetState,
    Route,
    Scope,
    Sysctl,
    Verb,
)
from netemu.errors import HostError
from netemu.host import links, routes, sysctl
from netemu.host.netlink import Netlink, Request
from netemu.host.netns import Netns


class LinuxNetState:
    """The links, addresses, routes and so on of one namespace."""

    def __init__(self, netns: Netns) -> None:
        self._netns = netns
        self._netlink = Netlink.open(netns)

    @property
    def netlink(self) -> Netlink:
        return self._netlink

    def close(self) -> None:
        self._netlink.close()

    def observe(self, scope: Scope) -> NetState:
        """Return what the scope covers of what is there."""
        indexes = {n: i for n in sorted(scope.links) if (i := self._netlink.index_of(n))}
        return NetState(
            links=tuple(self._link(index) for index in indexes.values()),
            addresses=frozenset(a for a in self._addresses() if a.link in scope.links),
            neighbours=frozenset(self._neighbours(indexes)),
            forwarding=frozenset(self._forwarding(indexes)),
            routes=frozenset(route for route in self._routes() if scope.covers(route)),
        )

    def apply(self, changes: Sequence[Change], *, peers: Mapping[str, str] | None = None) -> None:
        """Carry the changes out. `peers` are paths of the namespaces that cables lead to.

        HostError says which change failed; the others are done all the same.
        """
        settings = [change.item for change in changes if isinstance(change.item, Sysctl)]
        if settings:
            self._netns.call_sync(sysctl.write, settings)
        with ExitStack() as stack:
            descriptors = _open_all(peers or {}, stack)
            # Links come first: what follows names them by indexes that only now exist.
            self._netlink.send(list(self._first(changes, descriptors)))
            self._netlink.send(list(self._second(changes)))

    def _first(self, changes: Sequence[Change], peers: Mapping[str, int]) -> Iterator[Request]:
        index_of = self._netlink.index_of
        for change in changes:
            if change.verb is Verb.DELETE:
                yield self._deletion(change)
            elif change.verb is Verb.ADD and isinstance(change.item, Link):
                link = change.item
                far = peers[link.peer.netns] if link.peer else -1
                yield links.create(link, index_of=index_of, peer_netns=far)

    def _second(self, changes: Sequence[Change]) -> Iterator[Request]:
        for change in changes:
            item = change.item
            if change.verb is Verb.DELETE or isinstance(item, Sysctl):
                continue
            if isinstance(item, Link):
                master = self._index(item.master) if item.master else 0
                yield from links.change(item, self._index(item.name), master=master)
                continue
            index = self._index(item.link)
            match item:
                case Address():
                    yield routes.add_address(item, index)
                case Route():
                    yield routes.replace_route(item, index)
                case Neighbour():
                    yield routes.replace_neighbour(item, index)
                case ForwardingEntry():
                    yield routes.replace_forwarding(item, index)

    def _deletion(self, change: Change) -> Request:
        item = change.item
        match item:
            case Link():
                return links.delete(item.name)
            case Address():
                return routes.delete_address(item, self._index(item.link))
            case Route():
                return routes.delete_route(item, self._index(item.link))
            case Neighbour():
                return routes.delete_neighbour(item, self._index(item.link))
            case ForwardingEntry():
                return routes.delete_forwarding(item, self._index(item.link))
            case Sysctl():
                raise ValueError(f"a sysctl cannot be deleted: {item}")

    def _index(self, link: str) -> int:
        index = self._netlink.index_of(link)
        if not index:
            raise HostError(f"finding link {link}", where=self._netns.name, answer="no such device")
        return index

    def _link(self, index: int) -> Link:
        answer = next(self._netlink.dump(links.show(index)))
        return links.decode(answer, name_of=self._name_of())

    def _addresses(self) -> Iterator[Address]:
        name_of = self._name_of()
        for data in self._netlink.dump(routes.list_addresses()):
            yield routes.decode_address(data, name_of=name_of)

    def _routes(self) -> Iterator[Route]:
        name_of = self._name_of()
        for data in self._netlink.dump(routes.list_routes()):
            if route := routes.decode_route(data, name_of=name_of):
                yield route

    def _neighbours(self, indexes: Mapping[str, int]) -> Iterator[Neighbour]:
        for name, index in indexes.items():
            for data in self._netlink.dump(routes.list_neighbours(index)):
                if found := routes.decode_neighbour(data, link=name, index=index):
                    yield found

    def _forwarding(self, indexes: Mapping[str, int]) -> Iterator[ForwardingEntry]:
        for name, index in indexes.items():
            for data in self._netlink.dump(routes.list_forwarding(index)):
                if found := routes.decode_forwarding(data, link=name, index=index):
                    yield found

    def _name_of(self) -> Callable[[int], str]:
        """Return a function that names links by their indexes, and remembers."""
        known: dict[int, str] = {}

        def name_of(index: int) -> str:
            if index not in known:
                known[index] = self._netlink.name_of(index)
            return known[index]

        return name_of


def _open_all(paths: Mapping[str, str], stack: ExitStack) -> dict[str, int]:
    """Open namespaces until the stack closes them."""
    found = {}
    for name, path in paths.items():
        try:
            found[name] = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            answer = error.strerror or ""
            doing = f"opening network namespace of {name}"
            raise HostError(doing, where=path, answer=answer, errno=error.errno or 0) from error
        stack.callback(os.close, found[name])
    return found
