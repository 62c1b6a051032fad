"""A reply of failure, as our clients see it: the Status in it becomes an ApiError."""

from __future__ import annotations

from typing import Any

from netemu.errors import ApiError, Cause


def error_from(status: dict[str, Any], code: int) -> ApiError:
    """Return the ApiError that a client of ours raises for a Status."""
    details = status.get("details") or {}
    return ApiError(
        int(status.get("code") or code),
        status.get("reason", ""),
        status.get("message", ""),
        group=details.get("group", ""),
        kind=details.get("kind", ""),
        name=details.get("name", ""),
        uid=details.get("uid", ""),
        causes=[
            Cause(cause.get("reason", ""), cause.get("message", ""), cause.get("field", ""))
            for cause in details.get("causes") or ()
        ],
        retry_after_s=int(details.get("retryAfterSeconds") or 0),
    )
