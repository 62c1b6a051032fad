"""The kinds served: how each is called, in URLs, by people and in discovery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from netemu.model import apps_v1, core_v1, discovery_v1, events_v1, meta_v1
from netemu.model.authentication_v1 import SelfSubjectReview, TokenRequest, TokenReview
from netemu.model.authorization_v1 import (
    SelfSubjectAccessReview,
    SelfSubjectRulesReview,
    SubjectAccessReview,
)
from netemu.model.autoscaling_v1 import Scale
from netemu.model.coordination_v1 import Lease
from netemu.model.policy_v1 import Eviction
from netemu.model.schema import ApiObject, Kinded

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_PART = ("get", "patch", "update")
_STREAM = ("create", "get")
_PROXY = ("create", "delete", "get", "patch", "update")


@dataclass(frozen=True, slots=True)
class Subresource:
    """A part of an object, or a thing to do with it, with a URL of its own."""

    name: str
    kind: str
    """The kind of its body; empty for that of the object itself."""
    verbs: tuple[str, ...] = _PART
    group: str = ""
    version: str = ""
    """Of its body's kind; empty for those of the resource."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One kind and its names."""

    group: str = ""
    version: str = "v1"
    kind: str
    plural: str
    short_names: tuple[str, ...] = ()
    namespaced: bool = True
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = VERBS
    type: type[ApiObject] = field(repr=False)
    subresources: tuple[Subresource, ...] = ()
    fields: tuple[str, ...] = ()
    """What field selectors may name, besides `metadata.name` and `metadata.namespace`."""

    @property
    def selectable(self) -> frozenset[str]:
        """All that a field selector may name."""
        return frozenset(("metadata.name", "metadata.namespace", *self.fields))

    @property
    def singular(self) -> str:
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        return self.kind + "List"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """What error messages call it: `pods`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def subresource(self, name: str) -> Subresource | None:
        return next((part for part in self.subresources if part.name == name), None)

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the URL path of a collection, an object or a subresource."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        place = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = "".join(f"/{part}" for part in (name, subresource) if part)
        return f"{root}{place}/{self.plural}{tail}"


def _resource(kind: type[ApiObject], plural: str, *short_names: str, **more: Any) -> Resource:
    group, _, version = kind.API_VERSION.rpartition("/")
    return Resource(
        group=group,
        version=version,
        kind=kind.KIND,
        plural=plural,
        short_names=short_names,
        type=kind,
        **more,
    )


_STATUS = Subresource("status", "")
_SCALE = Subresource("scale", "Scale", _PART, "autoscaling", "v1")
_EVENT_FIELDS = (
    *(
        f"involvedObject.{name}"
        for name in (
            "kind",
            "namespace",
            "name",
            "uid",
            "apiVersion",
            "resourceVersion",
            "fieldPath",
        )
    ),
    "reason",
    "reportingComponent",
    "source",
    "type",
)
_POD_FIELDS = (
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
)

RESOURCES: tuple[Resource, ...] = (
    _resource(core_v1.ConfigMap, "configmaps", "cm"),
    _resource(core_v1.Endpoints, "endpoints", "ep"),
    _resource(core_v1.Event, "events", "ev", fields=_EVENT_FIELDS),
    _resource(
        core_v1.Namespace,
        "namespaces",
        "ns",
        namespaced=False,
        verbs=tuple(verb for verb in VERBS if verb != "deletecollection"),
        fields=("status.phase",),
        subresources=(Subresource("finalize", "", ("update",)), _STATUS),
    ),
    _resource(
        core_v1.Node,
        "nodes",
        "no",
        namespaced=False,
        fields=("spec.unschedulable",),
        subresources=(_STATUS,),
    ),
    _resource(
        core_v1.Pod,
        "pods",
        "po",
        categories=("all",),
        fields=_POD_FIELDS,
        subresources=(
            Subresource("attach", "PodAttachOptions", _STREAM),
            Subresource("binding", "Binding", ("create",)),
            Subresource("ephemeralcontainers", ""),
            Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
            Subresource("exec", "PodExecOptions", _STREAM),
            Subresource("log", "", ("get",)),
            Subresource("portforward", "PodPortForwardOptions", _STREAM),
            Subresource("proxy", "PodProxyOptions", _PROXY),
            Subresource("resize", ""),
            _STATUS,
        ),
    ),
    _resource(core_v1.Secret, "secrets", fields=("type",)),
    _resource(
        core_v1.ServiceAccount,
        "serviceaccounts",
        "sa",
        subresources=(
            Subresource("token", "TokenRequest", ("create",), "authentication.k8s.io", "v1"),
        ),
    ),
    _resource(
        core_v1.Service,
        "services",
        "svc",
        categories=("all",),
        fields=("spec.clusterIP", "spec.type"),
        subresources=(Subresource("proxy", "ServiceProxyOptions", _PROXY), _STATUS),
    ),
    _resource(
        apps_v1.Deployment,
        "deployments",
        "deploy",
        categories=("all",),
        subresources=(_SCALE, _STATUS),
    ),
    _resource(
        apps_v1.ReplicaSet,
        "replicasets",
        "rs",
        categories=("all",),
        fields=("status.replicas",),
        subresources=(_SCALE, _STATUS),
    ),
    _resource(Lease, "leases"),
    _resource(discovery_v1.EndpointSlice, "endpointslices"),
)
"""What is stored. Discovery lists groups in this order: the first wins an ambiguous name."""

REVIEWS: tuple[Resource, ...] = tuple(
    _resource(kind, plural, namespaced=False, verbs=("create",))
    for kind, plural in (
        (TokenReview, "tokenreviews"),
        (SelfSubjectReview, "selfsubjectreviews"),
        (SelfSubjectAccessReview, "selfsubjectaccessreviews"),
        (SelfSubjectRulesReview, "selfsubjectrulesreviews"),
        (SubjectAccessReview, "subjectaccessreviews"),
    )
)
"""What is asked by creating it, and is never stored."""

_BODIES: tuple[type[Kinded], ...] = (
    core_v1.Binding,
    core_v1.PodTemplate,
    events_v1.Event,
    meta_v1.Status,
    Eviction,
    Scale,
    TokenRequest,
)
_BY_TYPE = {resource.type: resource for resource in RESOURCES + REVIEWS}
_BY_PLURAL = {(r.group, r.version, r.plural): r for r in RESOURCES + REVIEWS}
_BY_KIND = {(r.api_version, r.kind): r for r in RESOURCES + REVIEWS}
_BY_NAME = {
    name: resource
    for resource in RESOURCES
    for name in (resource.plural, resource.qualified, resource.singular, *resource.short_names)
}
_TYPES: dict[tuple[str, str], type[Kinded]] = {
    **{name: resource.type for name, resource in _BY_KIND.items()},
    **{(body.API_VERSION, body.KIND): body for body in _BODIES},
}


def by_type(kind: type[ApiObject]) -> Resource:
    """Return the resource of a type; KeyError if it is not served."""
    return _BY_TYPE[kind]


def by_plural(group: str, version: str, plural: str) -> Resource | None:
    return _BY_PLURAL.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    return _BY_KIND.get((api_version, kind))


def by_name(name: str) -> Resource | None:
    """Return what people mean by `po`, `pods`, `pod`, `Pod` or `deployments.apps`."""
    return _BY_NAME.get(name.lower())


def type_of(api_version: str, kind: str) -> type[Kinded] | None:
    """Return the type of anything that says its kind, stored or not."""
    if kind == "DeleteOptions":  # Registered in every group and version.
        return meta_v1.DeleteOptions
    return _TYPES.get((api_version, kind))
