"""`deployment/web`, `pod/shop/client`, `host`: what a scenario's words mean, checked early."""

from __future__ import annotations

import re

from netemu.client.pods import resource_named
from netemu.errors import UserError
from netemu.model.apps_v1 import Deployment, ReplicaSet
from netemu.model.core_v1 import Node, Pod, Service
from netemu.model.kinds import Resource

OUTSIDE = ("host", "external")
"""The host's own end of the underlay: where a client outside the cluster is."""
_WITH_PODS = (Pod, Deployment, ReplicaSet, Service)
PLACEHOLDER = re.compile(r"\{(host|[a-z]+/[^{}]+)\}")
"""What stands for an address in a target."""


def split(reference: str, namespace: str = "default") -> tuple[str, str, str]:
    """Return kind, namespace and name of `KIND/NAME` or `KIND/NAMESPACE/NAME`."""
    match reference.split("/"):
        case [kind, name] if kind and name:
            return kind, namespace, name
        case [kind, namespace, name] if kind and namespace and name:
            return kind, namespace, name
    raise UserError(f'"{reference}" names no object: write pod/NAME or pod/NAMESPACE/NAME')


def check(reference: str) -> Resource:
    """Return the kind of a reference; UserError if it is none, or of no kind that is served."""
    kind, _, _ = split(reference)
    return resource_named(kind)


def check_pods(reference: str) -> None:
    """Raise UserError unless the reference is of a kind that has Pods."""
    resource = check(reference)
    if resource.type not in _WITH_PODS:
        known = "pod, deployment, replicaset, service"
        raise UserError(f'"{reference}": a {resource.singular} has no Pods; there are: {known}')


def check_origin(reference: str) -> None:
    """Raise UserError unless packets could come from there."""
    if reference in OUTSIDE or re.fullmatch(r"node/[^/]+", reference):
        return
    if "/" not in reference:
        places = "host, external, node/NAME, pod/NAME, deployment/NAME"
        raise UserError(f'from: "{reference}" is no place to send from; there are: {places}')
    check_pods(reference)


def check_pattern(text: str) -> None:
    """Raise UserError unless the text is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise UserError(f'"{text}" is no regular expression: {error}') from error


def check_placeholders(text: str) -> None:
    """Raise UserError unless what stands for addresses names something that has one."""
    for reference in PLACEHOLDER.findall(text):
        if reference == "host" or check(reference).type in (Node, Service):
            continue
        check_pods(reference)
