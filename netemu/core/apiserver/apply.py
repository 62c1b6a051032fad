"""Server-side apply: who wants what of an object, and who may change it.

Each manager sends all that it wants. What it wanted before and wants no more is
removed, unless someone else wants it; what someone else wants differently is a
conflict, unless it is forced (kube-api.md, 4.7).

Objects that nobody ever applied carry no record of managers: keeping one for every
heartbeat of every node would cost more than all else. With the first apply, what a
client-side `kubectl apply` noted in its annotation belongs to that, and all else that is
there to `before-first-apply`; from then on, every write is recorded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from netemu.core.apiserver.ownership import (
    Json,
    Path,
    element_step,
    from_fields_v1,
    is_granular,
    is_set,
    list_keys,
    paths_of,
    shown,
    to_fields_v1,
    value_step,
)
from netemu.core.apiserver.shapes import element_of, field_at, type_at
from netemu.errors import ApiError, Cause
from netemu.model.schema import Time

_BEFORE = "before-first-apply"
_CLIENT_SIDE = "kubectl-client-side-apply"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_APPLY, _UPDATE = "Apply", "Update"
# What names an object, and what is the server's own, belongs to nobody.
_NOBODYS = frozenset(("f:apiVersion", "f:kind"))
_NOBODYS_META = frozenset(
    f"f:{name}"
    for name in (
        "name",
        "namespace",
        "generateName",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    )
)


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes, and how."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


@dataclass(slots=True)
class _Record:
    """What each manager owns."""

    owned: dict[Manager, set[Path]] = field(default_factory=dict)
    times: dict[Manager, str] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[Json]) -> _Record:
        record = cls()
        for entry in entries:
            manager = Manager(
                entry.get("manager", ""),
                entry.get("operation", ""),
                entry.get("apiVersion", ""),
                entry.get("subresource", ""),
            )
            record.owned[manager] = from_fields_v1(entry.get("fieldsV1") or {})
            record.times[manager] = entry.get("time", "")
        return record

    def entries(self, before: _Record, now: Time) -> list[Json]:
        """Return managedFields; an entry that did not change keeps its time."""
        listed = []
        for manager in sorted(self.owned, key=lambda m: (m.operation != _APPLY, m.name)):
            paths = self.owned[manager]
            if not paths and manager.operation != _APPLY:
                continue
            same = before.owned.get(manager) == paths
            entry = {
                "manager": manager.name,
                "operation": manager.operation,
                "apiVersion": manager.api_version,
                "time": (before.times.get(manager) if same else "") or now,
                "fieldsType": "FieldsV1",
                "fieldsV1": to_fields_v1(paths),
            }
            listed.append(
                entry | ({"subresource": manager.subresource} if manager.subresource else {})
            )
        return listed

    def others(self, manager: Manager) -> dict[Manager, set[Path]]:
        return {other: paths for other, paths in self.owned.items() if other != manager}


def apply(
    kind: Any,
    live: Json | None,
    wanted: Json,
    *,
    manager: str,
    force: bool,
    now: Time,
    subresource: str = "",
) -> Json:
    """Return the JSON of `live` (None: to be created) after `manager` applied `wanted`.

    ApiError 400 or 422 if the request is wrong, 409 if others want something else.
    """
    _check(wanted, manager)
    wanted = _part_of(wanted, subresource)
    me = Manager(manager, _APPLY, kind.API_VERSION, subresource)
    live = live or {}
    before = _record_of(kind, live)
    record = deepcopy(before)
    values = _owned_values(kind, wanted)
    live_values = dict(paths_of(kind, live))
    _settle_conflicts(record, me, values, live_values, force=force)

    gone = record.owned.get(me, set()) - values.keys()
    record.owned[me] = set(values)
    merged = _merge(kind, live, wanted)
    still_wanted = set().union(*record.owned.values())
    # The outermost first: with an element goes all that is in it.
    for path in sorted(gone - still_wanted, key=len):
        _remove(kind, merged, path, still_wanted)
    merged.setdefault("metadata", {})["managedFields"] = record.entries(before, now)
    return merged


def record_update(
    kind: Any, old: Json, new: Json, *, manager: str, now: Time, subresource: str = ""
) -> list[Json]:
    """Return the managedFields of `new`, which `manager` wrote over `old` by other means."""
    entries = old.get("metadata", {}).get("managedFields") or []
    if not entries:
        return []
    before = _Record.of(entries)
    record = deepcopy(before)
    me = Manager(manager, _UPDATE, kind.API_VERSION, subresource)
    was, is_now = _owned_values(kind, old), _owned_values(kind, new)
    changed = {path for path, value in is_now.items() if path not in was or was[path] != value}
    gone = was.keys() - is_now.keys()
    for other in record.owned:
        record.owned[other] -= gone if other == me else gone | changed
    if changed:
        record.owned[me] = record.owned.get(me, set()) | changed
    return record.entries(before, now)


def default_manager(user_agent: str) -> str:
    """Return what a client is called that does not say `fieldManager`."""
    return user_agent.partition("/")[0] or "unknown"


def _check(wanted: Json, manager: str) -> None:
    if not manager:
        message = (
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: '
            "is required for apply patch"
        )
        detail = "Required value: is required for apply patch"
        cause = Cause("FieldValueRequired", detail, "fieldManager")
        raise ApiError(
            422, "Invalid", message, group="meta.k8s.io", kind="PatchOptions", causes=[cause]
        )
    if (wanted.get("metadata") or {}).get("managedFields"):
        raise ApiError(400, "BadRequest", "metadata.managedFields must be nil")


def _part_of(wanted: Json, subresource: str) -> Json:
    """Leave out the half of the object that this URL does not write."""
    dropped = "spec" if subresource == "status" else "status"
    return {key: value for key, value in wanted.items() if key != dropped}


def _owned_values(kind: Any, data: Json) -> dict[Path, Any]:
    return {
        path: value
        for path, value in paths_of(kind, data)
        if path[0] not in _NOBODYS
        and not (path[0] == "f:metadata" and (len(path) == 1 or path[1] in _NOBODYS_META))
    }


def _record_of(kind: Any, live: Json) -> _Record:
    entries = live.get("metadata", {}).get("managedFields") or []
    if entries or not live:
        return _Record.of(entries)
    there = set(_owned_values(kind, live))
    applied = _applied_by_client(kind, live) & there
    owned = {_CLIENT_SIDE: applied, _BEFORE: there - applied}
    return _Record({Manager(name, _UPDATE, kind.API_VERSION): o for name, o in owned.items() if o})


def _applied_by_client(kind: Any, live: Json) -> set[Path]:
    """Return what a client-side apply wanted last, and its own note of it."""
    noted = (live["metadata"].get("annotations") or {}).get(_LAST_APPLIED)
    try:
        last = json.loads(noted or "null")
    except ValueError:
        return set()
    if not isinstance(last, dict):
        return set()
    note = ("f:metadata", "f:annotations", f"f:{_LAST_APPLIED}")
    return {note, *_owned_values(kind, _part_of(last, ""))}


def _settle_conflicts(
    record: _Record, me: Manager, values: dict[Path, Any], live: dict[Path, Any], *, force: bool
) -> None:
    """Take from the others what is forced; ApiError 409 if it is not."""
    conflicts: list[tuple[Manager, Path]] = []
    for other, paths in record.others(me).items():
        lost = {p for p in paths & values.keys() if p in live and live[p] != values[p]}
        if force:
            record.owned[other] = paths - lost
        conflicts += [(other, path) for path in sorted(lost)]
    if conflicts and not force:
        raise _conflict(conflicts)


def _conflict(conflicts: list[tuple[Manager, Path]]) -> ApiError:
    def whom(manager: Manager) -> str:
        via = f' with subresource "{manager.subresource}"' if manager.subresource else ""
        return f'"{manager.name}"{via} using {manager.api_version}'

    causes = [
        Cause("FieldManagerConflict", f"conflict with {whom(manager)}", shown(path))
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        text = f"1 conflict: {causes[0].message}: {causes[0].field}"
    else:
        groups: dict[str, list[str]] = {}
        for manager, path in conflicts:
            groups.setdefault(whom(manager), []).append(f"- {shown(path)}")
        said = "\n".join(f"conflicts with {who}:\n" + "\n".join(f) for who, f in groups.items())
        text = f"{len(conflicts)} conflicts: {said}"
    return ApiError(409, "Conflict", f"Apply failed with {text}", causes=causes)


def _merge(kind: Any, live: Json, wanted: Json) -> Json:
    merged = dict(live)
    for key, value in wanted.items():
        info = field_at(kind, key)
        below = live.get(key)
        if isinstance(below, dict) and is_granular(kind, key, value):
            merged[key] = _merge(type_at(kind, key), below, value)
        elif isinstance(below, list) and isinstance(value, list) and info is not None:
            merged[key] = _merge_list(info, below, value)
        else:
            merged[key] = deepcopy(value)
    return merged


def _merge_list(info: Any, live: list[Any], wanted: list[Any]) -> list[Any]:
    keys = list_keys(info)
    if is_set(info):
        return list(dict.fromkeys([*live, *wanted]))
    if not keys:
        return deepcopy(wanted)
    kind = element_of(info.type)
    merged = {element_step(element, keys): element for element in live}
    for element in wanted:
        step = element_step(element, keys)
        merged[step] = _merge(kind, merged.get(step, {}), element)
    return list(merged.values())


def _remove(kind: Any, data: Json, path: Path, still_wanted: set[Path]) -> None:
    """Take one field out of `data`, unless something within it is wanted."""
    if not any(wanted[: len(path)] == path for wanted in still_wanted):
        _remove_at(kind, data, path)


def _remove_at(kind: Any, data: Json, path: Path) -> None:
    key = path[0][2:]
    if key not in data:
        return
    if len(path) == 1:
        del data[key]
        return
    below = data[key]
    if isinstance(below, dict):
        data[key] = dict(below)
        _remove_at(type_at(kind, key), data[key], path[1:])
        if not data[key]:
            del data[key]
        return
    info = field_at(kind, key)
    if info is None or not isinstance(below, list):
        return
    keys = list_keys(info)
    step_of: Callable[[Any], str] = (lambda e: element_step(e, keys)) if keys else value_step
    if len(path) == 2:
        data[key] = [element for element in below if step_of(element) != path[1]]
        return
    data[key] = [dict(e) if isinstance(e, dict) else e for e in below]
    for element in data[key]:
        if step_of(element) == path[1]:
            _remove_at(element_of(info.type), element, path[2:])
