"""What `apply` sends: the manifest, and the removal of what the manifest no longer has.

Three states matter: what was applied last time (kept in an annotation), what is to be
applied now, and what is there. The patch is a strategic merge patch, so the server
does the merging with what others have set; this file only finds what went missing
between the last manifest and this one.
"""

from __future__ import annotations

from typing import Any

from netemu.model.schema import ApiStruct, FieldInfo, fields_of, struct_in

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""kubectl's own annotation, so that both can be used on one object in turn."""


def three_way_patch(
    kind: type[ApiStruct] | None, last: dict[str, Any], new: dict[str, Any]
) -> dict[str, Any]:
    """Return the strategic merge patch that leads from `last` to `new`."""
    infos = {info.wire_name: info for info in fields_of(kind)} if kind else {}
    patch: dict[str, Any] = dict.fromkeys(last.keys() - new.keys())
    for name, value in new.items():
        patch[name] = _field_patch(infos.get(name), last.get(name), value)
    return patch


def _field_patch(info: FieldInfo | None, last: Any, new: Any) -> Any:
    inner = struct_in(info.type) if info else None
    if isinstance(new, dict):
        return three_way_patch(inner, last if isinstance(last, dict) else {}, new)
    if isinstance(new, list) and info is not None and info.patch_merge_key:
        return _list_patch(inner, info.patch_merge_key, last if isinstance(last, list) else [], new)
    return new


def _list_patch(
    inner: type[ApiStruct] | None, key: str, last: list[Any], new: list[Any]
) -> list[Any]:
    """Merge element by element; what the last manifest had and this has not is deleted."""
    before = {item[key]: item for item in last if isinstance(item, dict) and key in item}
    wanted = {item[key] for item in new if isinstance(item, dict) and key in item}
    patch: list[Any] = [
        three_way_patch(inner, before.get(item[key], {}), item)
        if isinstance(item, dict) and key in item
        else item
        for item in new
    ]
    patch += [{key: value, "$patch": "delete"} for value in before if value not in wanted]
    return patch
