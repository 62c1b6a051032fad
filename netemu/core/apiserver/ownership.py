"""Which fields an object has, as server-side apply counts them.

A field is a path whose steps are written as in `fieldsV1`: `f:NAME` into an object,
`k:{"name":"c"}` to the element of a list that is a map in disguise, `v:"x"` to a value
of a set. A list element is a field itself, besides what is in it. What is atomic —
a list without keys, a selector — is one field, whatever is in it (kube-api.md, 4.7).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from netemu.core.apiserver.shapes import element_of, field_at, is_struct, plain, type_at
from netemu.model.core_v1 import (
    ConfigMapKeySelector,
    ContainerPort,
    LocalObjectReference,
    NodeSelector,
    ObjectFieldSelector,
    ObjectReference,
    ResourceFieldSelector,
    SecretKeySelector,
    ServicePort,
    TopologySpreadConstraint,
)
from netemu.model.meta_v1 import LabelSelector
from netemu.model.schema import FieldInfo

Json = dict[str, Any]
Path = tuple[str, ...]

_ATOMIC_TYPES = frozenset(
    (
        ConfigMapKeySelector,
        LabelSelector,
        LocalObjectReference,
        NodeSelector,
        ObjectFieldSelector,
        ObjectReference,
        ResourceFieldSelector,
        SecretKeySelector,
    )
)
# Maps of labels that only make sense as a whole.
_ATOMIC_MAPS = frozenset(("selector", "nodeSelector"))
_LIST_KEYS: dict[Any, tuple[str, ...]] = {
    ContainerPort: ("containerPort", "protocol"),
    ServicePort: ("port", "protocol"),
    TopologySpreadConstraint: ("topologyKey", "whenUnsatisfiable"),
}
_KEY_DEFAULTS = {"protocol": "TCP"}


def list_keys(field: FieldInfo) -> tuple[str, ...]:
    """Return by what the elements of a list are told apart; nothing if it is atomic or a set."""
    if "merge" not in field.patch_strategy or not field.patch_merge_key:
        return ()
    return _LIST_KEYS.get(element_of(field.type), (field.patch_merge_key,))


def is_set(field: FieldInfo) -> bool:
    return field.patch_strategy == "merge" and not field.patch_merge_key


def is_granular(kind: Any, key: str, value: Any) -> bool:
    """Say whether an object under `key` is owned member by member."""
    if not isinstance(value, dict) or key in _ATOMIC_MAPS:
        return False
    inner = plain(type_at(kind, key))
    if is_struct(inner):
        return inner not in _ATOMIC_TYPES
    return element_of(inner) is not None


def element_step(element: Json, keys: Iterable[str]) -> str:
    """Return the step to a list's element: `k:{"containerPort":80,"protocol":"TCP"}`."""
    named = {key: element.get(key, _KEY_DEFAULTS.get(key)) for key in keys}
    return "k:" + json.dumps(named, separators=(",", ":"), sort_keys=True)


def value_step(value: Any) -> str:
    return "v:" + json.dumps(value, separators=(",", ":"))


def paths_of(kind: Any, data: Json, prefix: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every field of an object of type `kind`, with its value."""
    for key, value in data.items():
        path = (*prefix, f"f:{key}")
        field = field_at(kind, key)
        if value and is_granular(kind, key, value):
            yield from paths_of(type_at(kind, key), value, path)
        elif field is not None and isinstance(value, list) and value and list_keys(field):
            yield from _paths_of_elements(field, value, path)
        elif field is not None and isinstance(value, list) and value and is_set(field):
            for element in value:
                yield (*path, value_step(element)), element
        else:
            yield path, value


def _paths_of_elements(
    field: FieldInfo, elements: list[Any], prefix: Path
) -> Iterator[tuple[Path, Any]]:
    keys = list_keys(field)
    for element in elements:
        path = (*prefix, element_step(element, keys))
        yield path, None
        yield from paths_of(element_of(field.type), element, path)


def to_fields_v1(paths: Iterable[Path]) -> Json:
    """Return paths in the nested form of managedFields."""
    owned = set(paths)
    tree: Json = {}
    for path in sorted(owned):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
    _mark_owned(tree, (), owned)
    return tree


def _mark_owned(tree: Json, at: Path, owned: set[Path]) -> None:
    """Say with `.` which nodes are owned themselves, besides what is below them."""
    for step, below in tree.items():
        path = (*at, step)
        _mark_owned(below, path, owned)
        if below and path in owned:
            below["."] = {}


def from_fields_v1(tree: Json, prefix: Path = ()) -> set[Path]:
    """Return the paths that a nested form means."""
    paths: set[Path] = set()
    for step, below in tree.items():
        if step == ".":
            paths.add(prefix)
        elif below:
            paths |= from_fields_v1(below, (*prefix, step))
        else:
            paths.add((*prefix, step))
    return paths


def shown(path: Path) -> str:
    """Return a path as conflicts name it: `.spec.containers[name="web"].image`."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            named = json.loads(rest)
            text += "[" + ",".join(f"{k}={json.dumps(v)}" for k, v in named.items()) + "]"
        else:
            text += f"[={rest}]"
    return text
