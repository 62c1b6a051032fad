"""EndpointSlice: the backends of each Service that has a selector.

Endpoints are grouped by address family and by the exact set of port numbers
that the Pods resolve the Service's ports to, and each group is packed into
slices (`packing`). A Service without Pods keeps one empty slice a family, so
that who waits for slices sees that nobody is there (kube-proxy.md, 6).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from netemu.core.control.commands import WARNING, Command, Create, Delete, Say, Update
from netemu.core.control.contract import Controller, Index, Reader, View, Watch, own_key
from netemu.core.control.ownership import owner_reference
from netemu.core.control.pods import condition_of, is_ready
from netemu.core.control.services import (
    HEADLESS_LABEL,
    ZONE_LABEL,
    addresses_of,
    families_of,
    has_endpoints,
    hostname_of,
    is_headless,
    keys_of_pod,
    pod_matters,
    pods_of,
    port_of,
    reference_to,
    zone_of,
)
from netemu.core.controllers.endpointslice.packing import pack
from netemu.model.core_v1 import Node, Pod, Service
from netemu.model.discovery_v1 import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
_RESERVED = {SERVICE_NAME, MANAGED_BY, HEADLESS_LABEL}

Ports = tuple[tuple[str, str, int | None, str], ...]
"""Name, protocol, number and application protocol of each port: what a slice is for."""
Group = tuple[str, Ports]
"""An address family and its ports."""


def _service_of(current: EndpointSlice) -> Iterable[str]:
    labels = current.metadata.labels
    if labels.get(MANAGED_BY) != MANAGER or SERVICE_NAME not in labels:
        return ()
    return (f"{current.metadata.namespace}/{labels[SERVICE_NAME]}",)


SLICES_BY_SERVICE = Index("service", EndpointSlice, _service_of)


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    service = view.get(Service, key)
    existing = [
        current
        for current in view.by(SLICES_BY_SERVICE, str(key))
        if not current.metadata.deletion_timestamp
    ]
    if service is None or service.metadata.deletion_timestamp or not has_endpoints(service):
        # A Service that lost its selector hands its slices to whoever manages them now.
        return [Delete(current) for current in existing] if service is None else ()
    pods = pods_of(service, view)
    return _write(service, _groups(service, pods, view), existing, _trigger(service, pods))


def _groups(service: Service, pods: Sequence[Pod], view: View) -> dict[Group, list[Endpoint]]:
    groups: dict[Group, list[Endpoint]] = {}
    for family in families_of(service):
        groups_before = len(groups)
        for pod in pods:
            addresses = addresses_of(pod, family)
            ports = _ports(service, pod)
            if addresses and (ports or is_headless(service)):
                endpoint = _endpoint(service, pod, addresses, view)
                groups.setdefault((family, ports), []).append(endpoint)
        if len(groups) == groups_before:
            groups[family, ()] = []
    return groups


def _ports(service: Service, pod: Pod) -> Ports:
    return tuple(
        (port.name, port.protocol or "TCP", number, port.app_protocol or "")
        for port in service.spec.ports
        if (number := port_of(pod, port)) is not None
    )


def _endpoint(service: Service, pod: Pod, addresses: list[str], view: View) -> Endpoint:
    serving = is_ready(pod)
    terminating = bool(pod.metadata.deletion_timestamp)
    ready = service.spec.publish_not_ready_addresses or (serving and not terminating)
    node = pod.spec.node_name
    zone = zone_of(node, view)
    return Endpoint(
        addresses=addresses,
        conditions=EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=hostname_of(pod, service) or None,
        target_ref=reference_to(pod),
        node_name=node or None,
        zone=zone or None,
        hints=_hints(service, node, zone) if ready else None,
    )


def _hints(service: Service, node: str, zone: str) -> EndpointHints | None:
    wish = service.spec.traffic_distribution
    if wish not in ("PreferClose", "PreferSameZone", "PreferSameNode"):
        return None
    zones = [ForZone(name=zone)] if zone else []
    nodes = [ForNode(name=node)] if node and wish == "PreferSameNode" else []
    return EndpointHints(for_zones=zones, for_nodes=nodes) if zones or nodes else None


def _trigger(service: Service, pods: Sequence[Pod]) -> str:
    """When the last of the changes happened that the slices show."""
    times = [service.metadata.creation_timestamp or ""]
    for pod in pods:
        condition = condition_of(pod, "Ready")
        times.append((condition.last_transition_time if condition else "") or "")
        times.append(pod.metadata.deletion_timestamp or "")
    return max(times)


def _write(
    service: Service,
    groups: dict[Group, list[Endpoint]],
    existing: Sequence[EndpointSlice],
    trigger: str,
) -> list[Command]:
    by_group: dict[Group, list[EndpointSlice]] = {}
    for current in existing:
        by_group.setdefault(_group_of(current), []).append(current)
    commands: list[Command] = []
    for group, endpoints in groups.items():
        slices = by_group.pop(group, [])
        commands += _write_group(service, group, endpoints, slices, trigger)
    commands += [Delete(current) for slices in by_group.values() for current in slices]
    return commands


def _group_of(current: EndpointSlice) -> Group:
    return current.address_type, tuple(
        (port.name or "", port.protocol or "TCP", port.port, port.app_protocol or "")
        for port in current.ports
    )


def _write_group(
    service: Service,
    group: Group,
    endpoints: list[Endpoint],
    slices: Sequence[EndpointSlice],
    trigger: str,
) -> list[Command]:
    labels = _labels(service)
    packing = pack(endpoints, slices)
    commands: list[Command] = []
    # The last slice stays, even when it is empty: it is the placeholder.
    spare = 0 if endpoints else 1
    for current in slices:
        content = packing.contents.get(current.metadata.name, current.endpoints)
        if not content and not spare:
            commands.append(Delete(current))
            continue
        spare -= not content
        commands += _update(current, content, labels, trigger)
    failed = Say(
        service,
        WARNING,
        "FailedToUpdateEndpointSlices",
        f"Error updating Endpoint Slices for Service {service.metadata.namespace}/"
        f"{service.metadata.name}: {{error}}",
    )
    contents = packing.created or ([] if slices else [[]])
    commands += [
        Create(_new(service, group, content, labels, trigger), failed=failed)
        for content in contents
    ]
    return commands


def _update(
    current: EndpointSlice, content: list[Endpoint], labels: dict[str, str], trigger: str
) -> list[Command]:
    if content == current.endpoints and labels == current.metadata.labels:
        return []
    # A shallow copy with metadata of its own: a hundred endpoints need no deep one.
    changed = msgspec.structs.replace(
        current, metadata=copy_of(current.metadata), endpoints=content
    )
    changed.metadata.labels = labels
    if trigger:
        changed.metadata.annotations[TRIGGER_TIME] = trigger
    return [Update(changed)]


def _new(
    service: Service,
    group: Group,
    content: list[Endpoint],
    labels: dict[str, str],
    trigger: str,
) -> EndpointSlice:
    family, ports = group
    return EndpointSlice(
        metadata=ObjectMeta(
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=labels,
            annotations={TRIGGER_TIME: trigger} if trigger else {},
            owner_references=[owner_reference(service)],
        ),
        address_type=family,
        endpoints=content,
        ports=[
            EndpointPort(name=name, protocol=protocol, port=port, app_protocol=app or None)
            for name, protocol, port, app in ports
        ],
    )


def _labels(service: Service) -> dict[str, str]:
    labels = {k: v for k, v in service.metadata.labels.items() if k not in _RESERVED}
    labels[SERVICE_NAME] = service.metadata.name
    labels[MANAGED_BY] = MANAGER
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return labels


def _of_slice(current: EndpointSlice, _reader: Reader) -> Iterable[ObjectKey]:
    labels = current.metadata.labels
    if not any(True for _ in _service_of(current)):
        return ()
    return (ObjectKey(current.metadata.namespace, labels[SERVICE_NAME]),)


def _of_node(node: Node, reader: Reader) -> Iterable[ObjectKey]:
    """A node's zone stands in the endpoints of all its Pods."""
    if ZONE_LABEL not in node.metadata.labels:
        return ()
    return [
        ObjectKey(service.metadata.namespace, service.metadata.name)
        for service in reader.all(Service)
        if has_endpoints(service)
    ]


def _zone_changed(old: Node, new: Node) -> bool:
    return old.metadata.labels.get(ZONE_LABEL) != new.metadata.labels.get(ZONE_LABEL)


CONTROLLER: Controller[ObjectKey] = Controller(
    name="endpointslice",
    component="endpoint-slice-controller",
    watches=(
        Watch(Service, own_key),
        Watch(Pod, keys_of_pod, matters=pod_matters, settle=True),
        Watch(EndpointSlice, _of_slice, settle=True),
        Watch(Node, _of_node, matters=_zone_changed, settle=True),
    ),
    reconcile=reconcile,
    indexes=(SLICES_BY_SERVICE,),
)
