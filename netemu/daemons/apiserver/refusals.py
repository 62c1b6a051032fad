"""The replies of failure that the server itself makes, in Kubernetes' words (4.10)."""

from __future__ import annotations

from typing import Any

from netemu.errors import ApiError, Cause
from netemu.model.kinds import Resource

_MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, group=resource.group, kind=resource.plural, name=name)


def already_exists(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(
        409, "AlreadyExists", message, group=resource.group, kind=resource.plural, name=name
    )


def conflict(resource: Resource, name: str, why: str = _MODIFIED) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, group=resource.group, kind=resource.plural, name=name)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def no_such_method() -> ApiError:
    message = "the server does not allow this method on the requested resource"
    return ApiError(405, "MethodNotAllowed", message)


def invalid_options(kind: str, field: str, reason: str, text: str) -> ApiError:
    """Refuse a query parameter or an option: 422."""
    return ApiError(
        422,
        "Invalid",
        f'{kind}.meta.k8s.io "" is invalid: {field}: {text}',
        group="meta.k8s.io",
        kind=kind,
        causes=[Cause(reason, text, field)],
    )


def too_new(revision: int, current: int) -> ApiError:
    return ApiError(
        504,
        "Timeout",
        f"Too large resource version: {revision}, current: {current}",
        causes=[Cause("ResourceVersionTooLarge", "Too large resource version", "")],
        retry_after_s=1,
    )


def too_old(revision: int, oldest: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {revision} ({oldest})")


def status_of(error: ApiError) -> dict[str, Any]:
    """Return the Status that tells a client of `error`."""
    details: dict[str, Any] = {
        "name": error.name,
        "group": error.group,
        "kind": error.kind,
        "uid": error.uid,
        "causes": [
            {"reason": cause.reason, "message": cause.message, "field": cause.field}
            for cause in error.causes
        ],
        "retryAfterSeconds": error.retry_after_s,
    }
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "details": {key: value for key, value in details.items() if value},
        "code": error.code,
    }
    if error.code == 401:
        del status["details"]
    return status
