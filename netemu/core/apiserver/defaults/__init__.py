"""What the API server fills in when an object leaves it open.

Defaults are applied to every object that comes in, so what is stored is complete,
and `kubectl apply` of the same manifest twice finds no difference (kube-api.md, 4.8).
What depends on other objects is admission's business; what a client may not choose at
all is the strategy's.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from netemu.core.apiserver.defaults.pods import default_pod
from netemu.core.apiserver.defaults.services import default_service
from netemu.core.apiserver.defaults.workloads import default_deployment, default_replica_set
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.core_v1 import Endpoints, Namespace, Node, Pod, Secret, Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.schema import ApiStruct, Base64

NAME_LABEL = "kubernetes.io/metadata.name"


def apply_defaults(obj: ApiStruct) -> None:
    """Fill in what `obj`, freshly decoded, leaves open; applying twice changes nothing."""
    default = _DEFAULTS.get(type(obj))
    if default is not None:
        default(obj)


def _default_namespace(namespace: Namespace) -> None:
    # Network policies select namespaces by this label, so nobody can leave it out.
    if namespace.metadata.name:
        namespace.metadata.labels[NAME_LABEL] = namespace.metadata.name


def _default_node(node: Node) -> None:
    if not node.status.allocatable:
        node.status.allocatable = dict(node.status.capacity)


def _default_secret(secret: Secret) -> None:
    secret.type = secret.type or "Opaque"
    for key, text in secret.string_data.items():
        secret.data[key] = Base64(b64encode(text.encode()).decode())
    secret.string_data = {}  # Write-only: it never comes back.


def _default_endpoints(endpoints: Endpoints) -> None:
    for subset in endpoints.subsets:
        for port in subset.ports:
            port.protocol = port.protocol or "TCP"


def _default_endpoint_slice(endpoint_slice: EndpointSlice) -> None:
    for port in endpoint_slice.ports:
        port.name = port.name or ""
        port.protocol = port.protocol or "TCP"


_DEFAULTS: dict[type, Callable[[Any], None]] = {
    Pod: default_pod,
    Service: default_service,
    Deployment: default_deployment,
    ReplicaSet: default_replica_set,
    Namespace: _default_namespace,
    Node: _default_node,
    Secret: _default_secret,
    Endpoints: _default_endpoints,
    EndpointSlice: _default_endpoint_slice,
}
