"""Endpoints: the older form of EndpointSlices, one object a Service.

Deprecated since 1.33 and still written, for those who read it (kube-proxy.md, 6):
addresses of the primary family in subsets by port set, ready or not; Pods on
their way out are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from netemu.core.control.commands import WARNING, Command, Create, Delete, Say, Update
from netemu.core.control.contract import Controller, View, Watch, own_key
from netemu.core.control.pods import is_ready
from netemu.core.control.services import (
    HEADLESS_LABEL,
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
)
from netemu.model.core_v1 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Pod,
    Service,
)
from netemu.model.keys import ObjectKey
from netemu.model.meta_v1 import ObjectMeta
from netemu.model.schema import copy_of

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST_ADDRESSES = 1000


def reconcile(key: ObjectKey, view: View) -> Sequence[Command]:
    service = view.get(Service, key)
    current = view.get(Endpoints, key)
    if service is None:
        managed = current is not None and MANAGED_BY in current.metadata.labels
        return [Delete(current)] if current is not None and managed else ()
    if service.metadata.deletion_timestamp or not has_endpoints(service):
        return ()
    wanted = _wanted(service, pods_of(service, view))
    failed = Say(
        service,
        WARNING,
        "FailedToUpdateEndpoint",
        f"Failed to update endpoint {key.namespace}/{key.name}: {{error}}",
    )
    if current is None:
        return [Create(wanted, failed=failed)]
    if current.metadata.deletion_timestamp or _same(current, wanted):
        return ()
    changed = copy_of(current)
    changed.subsets = wanted.subsets
    changed.metadata.labels = wanted.metadata.labels
    changed.metadata.annotations.pop(OVER_CAPACITY, None)
    changed.metadata.annotations.update(wanted.metadata.annotations)
    return [Update(changed, failed=failed)]


def _same(current: Endpoints, wanted: Endpoints) -> bool:
    return (
        current.subsets == wanted.subsets
        and current.metadata.labels == wanted.metadata.labels
        and current.metadata.annotations.get(OVER_CAPACITY)
        == wanted.metadata.annotations.get(OVER_CAPACITY)
    )


def _wanted(service: Service, pods: Sequence[Pod]) -> Endpoints:
    publish_all = service.spec.publish_not_ready_addresses
    shown = [pod for pod in pods if publish_all or not pod.metadata.deletion_timestamp]
    labels = {**service.metadata.labels, MANAGED_BY: "endpoint-controller"}
    labels.pop(HEADLESS_LABEL, None)
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    over = {OVER_CAPACITY: "truncated"} if len(shown) > MOST_ADDRESSES else {}
    return Endpoints(
        metadata=ObjectMeta(
            name=service.metadata.name,
            namespace=service.metadata.namespace,
            labels=labels,
            annotations=over,
        ),
        subsets=_subsets(service, shown[:MOST_ADDRESSES]),
    )


def _subsets(service: Service, pods: Sequence[Pod]) -> list[EndpointSubset]:
    family = families_of(service)[0]
    subsets: dict[tuple[int | None, ...], EndpointSubset] = {}
    for pod in pods:
        numbers = tuple(port_of(pod, port) for port in service.spec.ports)
        resolved = any(number is not None for number in numbers)
        if not resolved and not (is_headless(service) and not numbers):
            continue
        if numbers not in subsets:
            subsets[numbers] = EndpointSubset(ports=_ports(service, numbers))
        subset = subsets[numbers]
        ready = service.spec.publish_not_ready_addresses or is_ready(pod)
        addresses = subset.addresses if ready else subset.not_ready_addresses
        addresses += [_address(service, pod, ip) for ip in addresses_of(pod, family)[:1]]
    return [subsets[numbers] for numbers in sorted(subsets, key=str)]


def _ports(service: Service, numbers: Sequence[int | None]) -> list[EndpointPort]:
    return [
        EndpointPort(
            name=port.name,
            port=number,
            protocol=port.protocol or "TCP",
            app_protocol=port.app_protocol,
        )
        for port, number in zip(service.spec.ports, numbers, strict=True)
        if number is not None
    ]


def _address(service: Service, pod: Pod, ip: str) -> EndpointAddress:
    return EndpointAddress(
        ip=ip,
        hostname=hostname_of(pod, service),
        node_name=pod.spec.node_name or None,
        target_ref=reference_to(pod),
    )


CONTROLLER: Controller[ObjectKey] = Controller(
    name="endpoints",
    component="endpoint-controller",
    watches=(
        Watch(Service, own_key),
        Watch(Pod, keys_of_pod, matters=pod_matters, settle=True),
        Watch(Endpoints, own_key, settle=True),
    ),
    reconcile=reconcile,
)
