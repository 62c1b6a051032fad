"""Who owns what: controller references, adoption and release.

A controller adopts objects that match its selector and have no controller,
and releases those of its own whose labels no longer match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from netemu.core.control.commands import Command, Update
from netemu.model.meta_v1 import OwnerReference
from netemu.model.schema import ApiObject, copy_of
from netemu.model.selector import Selector

T = TypeVar("T", bound=ApiObject)


def controller_of(obj: ApiObject) -> OwnerReference | None:
    """The one owner that manages this object, if there is one."""
    for reference in obj.metadata.owner_references:
        if reference.controller:
            return reference
    return None


def controller_uid(obj: ApiObject) -> tuple[str, ...]:
    """Index values: the uid of the controller, or `""` for orphans in a namespace."""
    reference = controller_of(obj)
    return (reference.uid,) if reference else (orphans_in(obj.metadata.namespace),)


def orphans_in(namespace: str) -> str:
    """The index value under which a namespace's objects without a controller stand."""
    return f"orphans in {namespace}"


def owner_reference(owner: ApiObject) -> OwnerReference:
    return OwnerReference(
        api_version=owner.API_VERSION,
        kind=owner.KIND,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        block_owner_deletion=True,
    )


def without_owner(obj: T, uids: Iterable[str]) -> T:
    """A copy that the owners with these uids no longer own."""
    gone = set(uids)
    changed = copy_of(obj)
    changed.metadata.owner_references = [
        reference for reference in changed.metadata.owner_references if reference.uid not in gone
    ]
    return changed


@dataclass(slots=True)
class Claim(Generic[T]):
    """What is the owner's, and the writes that make it so."""

    owned: list[T] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


def claim(
    owner: ApiObject, selector: Selector, owned: Sequence[T], orphans: Sequence[T]
) -> Claim[T]:
    """Adopt matching orphans, release what no longer matches.

    What is adopted counts as owned only once the write is seen.
    """
    result: Claim[T] = Claim()
    dying = bool(owner.metadata.deletion_timestamp)
    for obj in owned:
        if selector.matches(obj.metadata.labels):
            result.owned.append(obj)
        elif not dying and not obj.metadata.deletion_timestamp:
            result.commands.append(Update(without_owner(obj, [owner.metadata.uid])))
    if dying:
        return result
    for obj in orphans:
        if not obj.metadata.deletion_timestamp and selector.matches(obj.metadata.labels):
            result.commands.append(_adopt(owner, obj))
    return result


def _adopt(owner: ApiObject, orphan: ApiObject) -> Update:
    adopted = copy_of(orphan)
    adopted.metadata.owner_references = [
        *adopted.metadata.owner_references,
        owner_reference(owner),
    ]
    return Update(adopted, only_if_alive=owner)
