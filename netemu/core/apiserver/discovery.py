"""What is served here: the documents with which every client begins.

The old way is a document per group and version; the new way is one for all of `/apis`
and one for `/api`. Both say the same, from `RESOURCES` (kube-api.md, 2.1, 2.2). A group
that is listed must answer, so nothing is listed that is not there.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from netemu.core.apiserver.negotiation import Representation
from netemu.errors import ApiError
from netemu.model.kinds import RESOURCES, REVIEWS, Resource, Subresource

Json = dict[str, Any]

_SERVED: tuple[Resource, ...] = RESOURCES + REVIEWS


def groups() -> tuple[str, ...]:
    """Return the named groups, the most important first."""
    return tuple(dict.fromkeys(resource.group for resource in _SERVED if resource.group))


def group_versions() -> tuple[str, ...]:
    return tuple(dict.fromkeys(resource.api_version for resource in _SERVED))


def api_versions(server_address: str = "") -> Json:
    """GET /api."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [
            {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
        ],
    }


def api_group_list() -> Json:
    """GET /apis."""
    return {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [_group(name) for name in groups()],
    }


def api_group(name: str) -> Json:
    """GET /apis/GROUP; ApiError 404 if there is none."""
    if name not in groups():
        raise _nothing_there()
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(name)}


def no_custom_resources(revision: int) -> Json:
    """GET …/customresourcedefinitions: an empty list, in a group that is not listed.

    kubectl reads it, without looking whether it is there, for each kind that it does not
    find in a served group; without an answer it gives up on the whole file.
    """
    return {
        "kind": "CustomResourceDefinitionList",
        "apiVersion": "apiextensions.k8s.io/v1",
        "metadata": {"resourceVersion": str(revision)},
        "items": [],
    }


def api_resource_list(group_version: str) -> Json:
    """GET /api/v1 and /apis/GROUP/VERSION; ApiError 404 if there is none."""
    if group_version not in group_versions():
        raise _nothing_there()
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": _resource_entries(group_version),
    }


def _nothing_there() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def _group(name: str) -> Json:
    versions = dict.fromkeys(r.version for r in _SERVED if r.group == name)
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": listed, "preferredVersion": listed[0]}


@cache
def _resource_entries(group_version: str) -> list[Json]:
    entries = []
    for resource in _SERVED:
        if resource.api_version == group_version:
            entries.append(_resource_entry(resource))
            entries += [_subresource_entry(resource, part) for part in resource.subresources]
    return entries


def _resource_entry(resource: Resource) -> Json:
    entry: Json = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    return entry


def _subresource_entry(resource: Resource, part: Subresource) -> Json:
    entry: Json = {
        "name": f"{resource.plural}/{part.name}",
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": part.kind or resource.kind,
        "verbs": list(part.verbs),
    }
    if part.group:
        # Only where they differ from those of the document.
        entry |= {"group": part.group, "version": part.version}
    return entry


def aggregated(representation: Representation, *, core: bool) -> Json:
    """GET /apis, or /api with `core`, for a client that asked for all at once.

    The answer's Content-Type is the representation's.
    """
    wanted = [""] if core else groups()
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": representation.api_version,
        "metadata": {},
        "items": [_aggregated_group(name) for name in wanted],
    }


@cache
def _aggregated_group(name: str) -> Json:
    versions = dict.fromkeys(r.version for r in _SERVED if r.group == name)
    return {
        "metadata": {"name": name} if name else {},
        "versions": [
            {
                "version": version,
                "freshness": "Current",
                "resources": _aggregated_resources(name, version),
            }
            for version in versions
        ],
    }


def _aggregated_resources(group: str, version: str) -> list[Json]:
    return [
        _aggregated_resource(resource)
        for resource in _SERVED
        if (resource.group, resource.version) == (group, version)
    ]


def _aggregated_resource(resource: Resource) -> Json:
    entry: Json = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = _aggregated_parts(resource, resource.subresources)
    return entry


def _aggregated_parts(resource: Resource, parts: Iterable[Subresource]) -> list[Json]:
    return [
        {
            "subresource": part.name,
            "responseKind": _kind(
                part.group or resource.group,
                part.version or resource.version,
                part.kind or resource.kind,
            ),
            "verbs": list(part.verbs),
        }
        for part in parts
    ]


def _kind(group: str, version: str, kind: str) -> Json:
    return {"group": group, "version": version, "kind": kind}
