"""EndpointSlice mirroring: Endpoints that users write, shown as slices.

Only for a Service without a selector, whose backends only its owner knows
(kube-proxy.md, 6). Slices are few and small: they are compared by content and
written whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netemu.core.control.commands import Command, Create, Delete, Update
from netemu.core.control.contract import Controller, Index, Reader, View, Watch, own_key
from netemu.core.control.ownership import owner_reference
from netemu.core.control.services import version_of
from netemu.core.controllers.endpointslice import MANAGED_BY, SERVICE_NAME
from netemu.model.core_v1 import EndpointAddress, Endpoints, EndpointSubset, Service
from netemu.model.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

MANAGER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
MOST_ADDRESSES = 1000


def _service_of(current: EndpointSlice) -> Iterable[str]:
    labels = current.metadata.labels
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{current.metadata.namespace}/{labels[SERVICE_NAME]}",)


MIRRORS_BY_SERVICE = Index("mirrored service", EndpointSlice, _service_of)


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    endpoints = view.get(Endpoints, key)
    existing = [
        current
        for current in view.by(MIRRORS_BY_SERVICE, str(key))
        if not current.metadata.deletion_timestamp
    ]
    if endpoints is None or not _is_mirrored(endpoints, view.get(Service, key)):
        return [Delete(current) for current in existing]
    commands: list[Command] = []
    by_shape = {_shape(current): current for current in existing}
    for wanted in _wanted(endpoints):
        current = by_shape.pop(_shape(wanted), None)
        if current is None:
            commands.append(Create(wanted))
        elif current.endpoints != wanted.endpoints or not _labelled(current, wanted):
            changed = copy_of(current)
            changed.endpoints = wanted.endpoints
            changed.metadata.labels = wanted.metadata.labels
            commands.append(Update(changed))
    spared = {current.metadata.uid for current in by_shape.values()}
    return [*commands, *(Delete(one) for one in existing if one.metadata.uid in spared)]


def _is_mirrored(endpoints: Endpoints, service: Service | None) -> bool:
    return (
        service is not None
        and not service.spec.selector
        and not endpoints.metadata.deletion_timestamp
        and endpoints.metadata.labels.get(SKIP) != "true"
        and LEADER not in endpoints.metadata.annotations
    )


def _labelled(current: EndpointSlice, wanted: EndpointSlice) -> bool:
    return current.metadata.labels == wanted.metadata.labels


def _shape(current: EndpointSlice) -> tuple[str, tuple[tuple[str, str, int | None], ...]]:
    ports = tuple((port.name or "", port.protocol or "TCP", port.port) for port in current.ports)
    return current.address_type, ports


def _wanted(endpoints: Endpoints) -> Iterable[EndpointSlice]:
    for subset in endpoints.subsets:
        for family, version in (("IPv4", 4), ("IPv6", 6)):
            content = _content(subset, version)
            if content:
                yield _slice(endpoints, subset, family, content)


def _content(subset: EndpointSubset, version: int) -> list[Endpoint]:
    listed = [(address, True) for address in subset.addresses]
    listed += [(address, False) for address in subset.not_ready_addresses]
    return [
        _endpoint(address, ready=ready)
        for address, ready in listed[:MOST_ADDRESSES]
        if version_of(address.ip) == version
    ]


def _endpoint(address: EndpointAddress, *, ready: bool) -> Endpoint:
    return Endpoint(
        addresses=[address.ip],
        conditions=EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )


def _slice(
    endpoints: Endpoints, subset: EndpointSubset, family: str, content: list[Endpoint]
) -> EndpointSlice:
    meta = endpoints.metadata
    return EndpointSlice(
        metadata=ObjectMeta(
            generate_name=f"{meta.name}-",
            namespace=meta.namespace,
            labels={**meta.labels, SERVICE_NAME: meta.name, MANAGED_BY: MANAGER},
            owner_references=[owner_reference(endpoints)],
        ),
        address_type=family,
        endpoints=content,
        ports=[
            EndpointPort(
                name=port.name,
                protocol=port.protocol or "TCP",
                port=port.port,
                app_protocol=port.app_protocol,
            )
            for port in subset.ports
        ],
    )


def _of_slice(current: EndpointSlice, _reader: Reader) -> Iterable[ObjectKey]:
    for _ in _service_of(current):
        yield ObjectKey(current.metadata.namespace, current.metadata.labels[SERVICE_NAME])


CONTROLLER: Controller[ObjectKey] = Controller(
    name="endpointslicemirroring",
    component="endpoint-slice-mirroring-controller",
    watches=(
        Watch(Endpoints, own_key),
        Watch(Service, own_key),
        Watch(EndpointSlice, _of_slice, settle=True),
    ),
    reconcile=reconcile,
    indexes=(MIRRORS_BY_SERVICE,),
)
