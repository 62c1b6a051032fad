"""Which Pods a person means by `pod/client`, `deployment/web` or `service/web`."""

from __future__ import annotations

from netemu.client.contract import Client
from netemu.core.control.pods import is_ready
from netemu.errors import UserError
from netemu.model.core_v1 import Pod
from netemu.model.documents import did_you_mean
from netemu.model.kinds import RESOURCES, Resource, by_name
from netemu.model.selector import from_label_selector, from_map

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def resource_named(word: str) -> Resource:
    """Return the kind of a plural, singular, short name or Kind; UserError if none is served."""
    resource = by_name(word)
    if resource is None:
        known = sorted({resource.plural for resource in RESOURCES})
        hint = did_you_mean(word, known) or f"; there are: {', '.join(known)}"
        raise UserError(f'no kind "{word}"{hint}')
    return resource


def default_container(pod: Pod) -> str:
    """Return the container that is meant when none is named: the annotated one, or the first."""
    names = [container.name for container in pod.spec.containers]
    wanted = pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
    return wanted if wanted in names else names[0]


async def pods_of(client: Client, resource: Resource, name: str, namespace: str) -> list[Pod]:
    """Return the Pod itself, or those that the object selects and that are not being deleted.

    Ready ones come first, then by name. ApiError if the object is not there, UserError
    if it is of a kind that selects no Pods.
    """
    if resource.type is Pod:
        return [await client.get(Pod, name, namespace)]
    owner = await client.get(resource.type, name, namespace)
    selector = getattr(getattr(owner, "spec", None), "selector", None)
    if not selector:
        raise UserError(f"{resource.singular}/{name} selects no Pods; name a Pod")
    chosen = from_map(selector) if isinstance(selector, dict) else from_label_selector(selector)
    pods = (await client.list(Pod, namespace, labels=str(chosen))).items
    live = [pod for pod in pods if not pod.metadata.deletion_timestamp]
    return sorted(live, key=lambda pod: (not is_ready(pod), pod.metadata.name))
