"""What a cluster has from its first moment: four namespaces and `kubernetes.default`.

Run at every start: it makes what is missing, corrects what is wrong, and leaves alone
what is right.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from netemu.daemons.apiserver.registry import Registry
from netemu.errors import ApiError
from netemu.model.core_v1 import (
    EndpointAddress,
    EndpointPort,
    Endpoints,
    EndpointSubset,
    Namespace,
    Service,
    ServicePort,
    ServiceSpec,
)
from netemu.model.discovery_v1 import Endpoint, EndpointConditions, EndpointSlice
from netemu.model.discovery_v1 import EndpointPort as SlicePort
from netemu.model.kinds import by_type
from netemu.model.meta_v1 import DeleteOptions, ObjectMeta
from netemu.model.schema import ApiObject
from netemu.model.settings import ClusterSettings

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NAME = "kubernetes"
_NAMESPACE = "default"
_PORT_NAME = "https"
_SERVICE_PORT = 443
_LABELS = {"component": "apiserver", "provider": "kubernetes"}


async def bootstrap(registry: Registry, settings: ClusterSettings) -> None:
    """Make the cluster's first objects, where they are missing."""
    for name in NAMESPACES:
        await _ensure(registry, Namespace(metadata=ObjectMeta(name=name)))
    address, port = settings.control_plane.address, settings.api_port
    await _ensure(registry, _service(settings.api_service_address, port))
    await _ensure(registry, _endpoints(address, port))
    await _ensure(registry, _endpoint_slice(address, port))


async def _ensure(registry: Registry, wanted: ApiObject) -> None:
    resource = by_type(type(wanted))
    meta = wanted.metadata
    present = registry.cache(resource).get(meta.namespace, meta.name)
    if present is None:
        await registry.create(resource, wanted, namespace=meta.namespace)
    elif not isinstance(wanted, Namespace):
        try:
            await registry.update(resource, wanted, namespace=meta.namespace, name=meta.name)
        except ApiError as error:
            # Its address is immutable: a Service range that has changed needs a new Service.
            if error.reason != "Invalid":
                raise
            await registry.delete(resource, meta.namespace, meta.name, DeleteOptions())
            await _ensure(registry, wanted)


def _meta(**labels: str) -> ObjectMeta:
    return ObjectMeta(name=_NAME, namespace=_NAMESPACE, labels=labels)


def _service(address: IPv4Address, api_port: int) -> Service:
    return Service(
        metadata=_meta(**_LABELS),
        spec=ServiceSpec(
            cluster_ip=str(address),
            cluster_ips=[str(address)],
            ports=[ServicePort(name=_PORT_NAME, port=_SERVICE_PORT, target_port=api_port)],
        ),
    )


# It has no Pods to select: its endpoints are the API server's own business, and the
# labels keep the endpoint controllers away from them.
def _endpoints(address: IPv4Address, api_port: int) -> Endpoints:
    return Endpoints(
        metadata=_meta(**{"endpointslice.kubernetes.io/skip-mirror": "true"}),
        subsets=[
            EndpointSubset(
                addresses=[EndpointAddress(ip=str(address))],
                ports=[EndpointPort(name=_PORT_NAME, port=api_port, protocol="TCP")],
            )
        ],
    )


def _endpoint_slice(address: IPv4Address, api_port: int) -> EndpointSlice:
    return EndpointSlice(
        metadata=_meta(**{"kubernetes.io/service-name": _NAME}),
        address_type="IPv4",
        endpoints=[Endpoint(addresses=[str(address)], conditions=EndpointConditions(ready=True))],
        ports=[SlicePort(name=_PORT_NAME, port=api_port, protocol="TCP")],
    )
