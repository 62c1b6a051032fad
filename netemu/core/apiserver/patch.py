"""The patches that clients send, each applied to an object's JSON.

The type of patch is its content type. Server-side apply is another matter: it
needs to know who owns what, and lives in `apply`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from netemu.core.apiserver.json_patch import apply_json_patch
from netemu.core.apiserver.strategic_merge import apply_strategic_merge
from netemu.errors import ApiError

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
PATCH_TYPES = (JSON, MERGE, STRATEGIC, APPLY)


def apply_patch(type: Any, current: dict[str, Any], patch: Any, patch_type: str) -> dict[str, Any]:
    """Return the JSON of `current`, an object of `type`, with `patch` applied."""
    match str(patch_type):
        case "application/json-patch+json":
            patched = apply_json_patch(current, patch)
        case "application/merge-patch+json":
            patched = merge(current, patch)
        case "application/strategic-merge-patch+json":
            patched = apply_strategic_merge(type, current, patch)
        case _:
            raise unsupported_media_type()
    if not isinstance(patched, dict):
        raise ApiError(400, "BadRequest", "a patch must leave an object")
    return patched


def unsupported_media_type() -> ApiError:
    accepted = ", ".join(PATCH_TYPES)
    return ApiError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - "
        f"accepted media types include: {accepted}",
    )


def merge(current: Any, patch: Any) -> Any:
    """Return `current` with an RFC 7386 merge patch applied."""
    if not isinstance(patch, dict):
        return deepcopy(patch)
    merged = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged.get(key), value)
    return merged
