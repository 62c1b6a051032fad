"""How endpoints are packed into slices of at most a hundred.

The aim is few writes, not full slices: what is stale leaves its slice; new
endpoints go into slices that are rewritten anyway, fullest first; else into
one unchanged slice that can take them all; else into new ones. Nothing is
ever rebalanced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netemu.model.discovery_v1 import Endpoint, EndpointSlice

MOST_ENDPOINTS = 100

Identity = tuple[str, str]


@dataclass(slots=True)
class Packing:
    """New contents by slice name (empty: the slice goes), and contents of new slices."""

    contents: dict[str, list[Endpoint]] = field(default_factory=dict)
    created: list[list[Endpoint]] = field(default_factory=list)


def identity_of(endpoint: Endpoint) -> Identity:
    reference = endpoint.target_ref
    return endpoint.addresses[0], reference.uid if reference else ""


def pack(
    desired: Sequence[Endpoint],
    existing: Sequence[EndpointSlice],
    most: int = MOST_ENDPOINTS,
) -> Packing:
    """Distribute endpoints of one family and port set over the slices of that set."""
    missing = {identity_of(endpoint): endpoint for endpoint in desired}
    packing = Packing()
    unchanged: list[EndpointSlice] = []
    for current in existing:
        kept = _kept(current, missing)
        if kept != current.endpoints:
            packing.contents[current.metadata.name] = kept
        else:
            unchanged.append(current)
    rest = _fill(packing, list(missing.values()), most)
    if rest:
        _place(packing, rest, unchanged, most)
    return packing


def _kept(current: EndpointSlice, missing: dict[Identity, Endpoint]) -> list[Endpoint]:
    """What stays in a slice, as it is now; it is then no longer missing."""
    kept = []
    for endpoint in current.endpoints:
        wanted = missing.pop(identity_of(endpoint), None)
        if wanted is not None:
            kept.append(wanted)
    return kept


def _fill(packing: Packing, rest: list[Endpoint], most: int) -> list[Endpoint]:
    fullest_first = sorted(packing.contents.values(), key=len, reverse=True)
    for content in fullest_first:
        room = max(0, most - len(content))
        content.extend(rest[:room])
        rest = rest[room:]
    return rest


def _place(
    packing: Packing, rest: list[Endpoint], unchanged: Sequence[EndpointSlice], most: int
) -> None:
    while len(rest) >= most:
        packing.created.append(rest[:most])
        rest = rest[most:]
    if not rest:
        return
    fitting = [one for one in unchanged if len(one.endpoints) + len(rest) <= most]
    if fitting:
        fullest = max(fitting, key=lambda one: len(one.endpoints))
        packing.contents[fullest.metadata.name] = [*fullest.endpoints, *rest]
    else:
        packing.created.append(rest)
