"""Strategic merge patch: a merge patch that knows which lists are maps in disguise.

A list whose field declares a merge key is merged element by element; a list of
scalars with strategy `merge` is a set; every other list is replaced. Directives in
the patch say what merging alone cannot:

  $patch: delete | replace | merge      in a map, or in one element of a list
  $setElementOrder/LIST: [keys…]        the order that the patch's author sees
  $deleteFromPrimitiveList/LIST: [v…]   values to take out of a set
  $retainKeys: [keys…]                  keys of a union to keep; all others go

Without `$setElementOrder`, elements that are new go first (kube-api.md, 4.6).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from copy import deepcopy
from typing import Any

from netemu.core.apiserver.shapes import element_of, field_at, type_at
from netemu.errors import ApiError

_PATCH = "$patch"
_RETAIN_KEYS = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"

Json = dict[str, Any]


def apply_strategic_merge(kind: Any, current: Json, patch: Any) -> Json:
    """Return the JSON of `current` with `patch` applied; both stay as they were."""
    if not isinstance(patch, dict):
        raise ApiError(400, "BadRequest", "a strategic merge patch must be an object")
    return _merge_map(kind, current, patch)


def _merge_map(kind: Any, current: Json, patch: Json) -> Json:
    directive = patch.get(_PATCH)
    if directive == "replace":
        return {key: _without_directives(value) for key, value in patch.items() if key != _PATCH}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise _broken(f"unknown patch type: {directive} in map: {_go_text(patch)}")

    merged = _retained(current, patch)
    for key in _fields_named(patch):
        merged = _merge_field(kind, merged, patch, key)
    return merged


def _fields_named(patch: Json) -> list[str]:
    """Return the fields that the patch speaks of, by value or by directive."""
    names: dict[str, None] = {}
    for key in patch:
        if key in (_PATCH, _RETAIN_KEYS):
            continue
        for prefix in (_ORDER, _DELETE):
            if key.startswith(prefix):
                names[key.removeprefix(prefix)] = None
                break
        else:
            names[key] = None
    return list(names)


def _retained(current: Json, patch: Json) -> Json:
    """Drop the members of a union that `$retainKeys` leaves out."""
    keep = patch.get(_RETAIN_KEYS)
    if keep is None:
        return dict(current)
    if not isinstance(keep, list):
        raise _broken("invalid patch format: retainKeys must be a list")
    for key, value in patch.items():
        if not key.startswith("$") and value is not None and key not in keep:
            raise _broken(f"{key} is not in the retainKeys list {_go_text(keep)}")
    return {key: value for key, value in current.items() if key in keep}


def _merge_field(kind: Any, merged: Json, patch: Json, key: str) -> Json:
    order = patch.get(_ORDER + key)
    removals = patch.get(_DELETE + key)
    if order is not None or removals is not None:
        return _merge_directed_list(kind, merged, patch, key)
    if key not in patch:
        return merged  # A directive that says nothing.
    value = patch[key]
    if value is None:
        merged.pop(key, None)
    elif isinstance(value, list):
        merged[key] = _merge_list(kind, key, merged.get(key), value)
    elif isinstance(value, dict):
        below = merged.get(key)
        inner = type_at(kind, key)
        if isinstance(below, dict) and "replace" not in _strategies(kind, key):
            merged[key] = _merge_map(inner, below, value)
        elif value.get(_PATCH) != "delete":
            merged[key] = _merge_map(inner, {}, value)
    else:
        merged[key] = value
    return merged


def _merge_directed_list(kind: Any, merged: Json, patch: Json, key: str) -> Json:
    """Merge a list about which the patch says more than its elements."""
    order, removals, value = (patch.get(p + key) for p in (_ORDER, _DELETE, ""))
    before = merged.get(key)
    for part in (order, removals, value, before):
        if part is not None and not isinstance(part, list):
            raise _broken(f"invalid patch format: {key} must be a list")
    if before is None and value is None:
        return merged
    after = list(before or [])
    if removals is not None:
        after = [element for element in after if element not in removals]
    if key in patch and value is None:
        merged.pop(key, None)
        return merged
    if value is not None:
        after = _merge_list(kind, key, after, value)
    if order is not None:
        after = _in_order(after, order, list(before or []), _merge_key(kind, key))
    merged[key] = after
    return merged


def _merge_list(kind: Any, key: str, current: Any, patch: list[Any]) -> list[Any]:
    before = current if isinstance(current, list) else []
    if "merge" not in _strategies(kind, key):
        return [_without_directives(element) for element in patch if not _is_replace(element)]
    merge_key = _merge_key(kind, key)
    if not merge_key:
        merged = list(dict.fromkeys([*before, *map(_scalar, patch)]))
        return _in_order(merged, patch, before, "")
    if any(_is_replace(element) for element in patch):
        return [_without_directives(e) for e in patch if not _is_replace(e)]
    merged = _merge_elements(element_of(type_at(kind, key)), before, patch, merge_key)
    kept = [e for e in patch if e.get(_PATCH) != "delete"]
    return _in_order(merged, kept, before, merge_key)


def _merge_elements(kind: Any, before: list[Any], patch: list[Any], merge_key: str) -> list[Any]:
    merged = list(before)
    for element in patch:
        wanted = _key_of(element, merge_key)
        directive = element.get(_PATCH)
        if directive == "delete":
            merged = [e for e in merged if e.get(merge_key) != wanted]
            continue
        # Two ports with one number: the first is meant.
        at = next((i for i, e in enumerate(merged) if e.get(merge_key) == wanted), None)
        if at is None:
            merged.append(_merge_map(kind, {}, element))
        else:
            merged[at] = _merge_map(kind, merged[at], element)
    return merged


def _key_of(element: Any, merge_key: str) -> Any:
    if not isinstance(element, dict) or merge_key not in element:
        shown = _go_text(element)
        raise _broken(f"map: {shown} does not contain declared merge key: {merge_key}")
    return _scalar(element[merge_key])


def _scalar(value: Any) -> Hashable:
    """What elements are told apart by is neither a list nor a map."""
    if isinstance(value, (dict, list)):
        raise _broken(f"invalid patch format: {_go_text(value)} must be a scalar")
    scalar: Hashable = value
    return scalar


def _in_order(
    merged: list[Any], wanted: Sequence[Any], before: Sequence[Any], merge_key: str
) -> list[Any]:
    """Order `merged` as the patch wants it, the elements that it does not name where they were.

    Both sequences are merged like sorted lists; an element of the patch goes first
    unless the one that only the server knows stood before it already.
    """

    def name(element: Any) -> Hashable:
        value: Hashable = element
        if merge_key:
            value = element.get(merge_key) if isinstance(element, dict) else None
        return _scalar(value)

    rank_wanted = _ranks(wanted, name)
    rank_before = _ranks(before, name)
    named = [e for e in merged if name(e) in rank_wanted]
    named.sort(key=lambda e: rank_wanted[name(e)])
    others = [e for e in merged if name(e) not in rank_wanted]
    others.sort(key=lambda e: rank_before.get(name(e), len(rank_before)))

    ordered: list[Any] = []
    while named and others:
        left, right = rank_before.get(name(others[0])), rank_before.get(name(named[0]))
        server_first = left is not None and right is not None and left < right
        ordered.append((others if server_first else named).pop(0))
    return ordered + named + others


def _ranks(elements: Sequence[Any], name: Callable[[Any], Hashable]) -> dict[Hashable, int]:
    ranks: dict[Hashable, int] = {}
    for index, element in enumerate(elements):
        ranks.setdefault(name(element), index)
    return ranks


def _strategies(kind: Any, key: str) -> frozenset[str]:
    field = field_at(kind, key)
    return frozenset(field.patch_strategy.split(",")) if field else frozenset()


def _merge_key(kind: Any, key: str) -> str:
    field = field_at(kind, key)
    return field.patch_merge_key if field else ""


def _is_replace(element: Any) -> bool:
    return isinstance(element, dict) and element.get(_PATCH) == "replace"


def _without_directives(value: Any) -> Any:
    """Return a copy of a value that is taken over whole: directives are not data."""
    if isinstance(value, list):
        return [_without_directives(element) for element in value]
    if not isinstance(value, dict):
        return deepcopy(value)
    return {
        key: _without_directives(below)
        for key, below in value.items()
        if key not in (_PATCH, _RETAIN_KEYS) and not key.startswith((_ORDER, _DELETE))
    }


def _broken(message: str) -> ApiError:
    # Kubernetes answers 500 here, and clients match on the text.
    return ApiError(500, "InternalError", message)


def _go_text(value: Any) -> str:
    """Show a value as Go prints it, which these messages do."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{k}:{_go_text(v)}' for k, v in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(_go_text(element) for element in value)}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)
