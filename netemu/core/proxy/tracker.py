"""Keeps the table of all served ports up to date, one changed object at a time.

It is the cluster's, not a node's: three nodes share one tracker, and what is derived
from its entries. A change costs what the changed Service costs; asking for the
table costs one pass over the Services.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from netemu.core.proxy.contract import ServedPort, ServiceTable
from netemu.core.proxy.endpoints import SERVICE_NAME_LABEL, merge
from netemu.core.proxy.services import HEADLESS_LABEL, Family, is_proxied, service_ports
from netemu.model.core_v1 import Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.keys import ObjectKey, key_of


class ServiceTracker:
    """Services and their EndpointSlices of one address family."""

    def __init__(self, family: Family = Family.IPV4) -> None:
        self._family = family
        self._services: dict[ObjectKey, Service] = {}
        self._slices: dict[ObjectKey, dict[str, EndpointSlice]] = {}
        self._served: dict[ObjectKey, tuple[ServedPort, ...]] = {}
        self._order: list[ObjectKey] = []
        self._dirty: set[ObjectKey] = set()
        self._table: ServiceTable = ()

    def set_service(self, service: Service) -> None:
        if not is_proxied(service):
            self.delete_service(key_of(service))
            return
        self._services[key_of(service)] = service
        self._dirty.add(key_of(service))

    def delete_service(self, key: ObjectKey) -> None:
        if self._services.pop(key, None) is not None:
            self._dirty.add(key)

    def set_slice(self, piece: EndpointSlice) -> None:
        owner = _service_of(piece)
        if owner is None or HEADLESS_LABEL in piece.metadata.labels:
            return
        self._slices.setdefault(owner, {})[piece.metadata.name] = piece
        self._dirty.add(owner)

    def delete_slice(self, piece: EndpointSlice) -> None:
        owner = _service_of(piece)
        pieces = self._slices.get(owner) if owner else None
        if owner is None or pieces is None or pieces.pop(piece.metadata.name, None) is None:
            return
        if not pieces:
            del self._slices[owner]
        self._dirty.add(owner)

    def service(self, key: ObjectKey) -> Service | None:
        """Return the Service as it was last seen: what Events are told of."""
        return self._services.get(key)

    def table(self) -> ServiceTable:
        """Return all served ports. The same tuple as long as nothing changed."""
        if self._dirty:
            changed = [self._refresh(key) for key in self._dirty]
            self._dirty.clear()
            if any(changed):
                self._table = tuple(port for key in self._order for port in self._served[key])
        return self._table

    def _refresh(self, key: ObjectKey) -> bool:
        """Rebuild one Service's ports; was there a difference?"""
        before = self._served.get(key, ())
        after = self._serve(key, before)
        if after == before:
            return False
        if after:
            if not before:
                insort(self._order, key)
            self._served[key] = after
        else:
            del self._served[key]
            del self._order[bisect_left(self._order, key)]
        return True

    def _serve(self, key: ObjectKey, before: Iterable[ServedPort]) -> tuple[ServedPort, ...]:
        service = self._services.get(key)
        if service is None:
            return ()
        endpoints = merge(self._slices.get(key, {}).values(), self._family)
        # A port that did not change keeps its entry, with all that was derived from it.
        known = {(served.port, served.endpoints): served for served in before}
        found = []
        for port in service_ports(service, self._family):
            backends = endpoints.get((port.name, port.protocol), ())
            found.append(known.get((port, backends)) or ServedPort(port, backends))
        return tuple(found)


def _service_of(piece: EndpointSlice) -> ObjectKey | None:
    name = piece.metadata.labels.get(SERVICE_NAME_LABEL, "")
    return ObjectKey(piece.metadata.namespace, name) if name else None
