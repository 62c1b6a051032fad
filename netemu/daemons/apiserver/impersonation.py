"""Asking as somebody else: `kubectl --as bob --as-group developers`.

Only administrators may. There is no RBAC that would refuse bob anything, but what bob
is told of himself, and who is recorded, is bob.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

from aiohttp import web

from netemu.daemons.apiserver.identity import AUTHENTICATED, MASTERS
from netemu.errors import ApiError
from netemu.model.authentication_v1 import UserInfo

_USER, _GROUP, _UID = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid"
_EXTRA = "impersonate-extra-"
_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"


def effective(user: UserInfo, request: web.BaseRequest) -> UserInfo:
    """Return who `user` asks as; ApiError 403 if that is not allowed, 500 if it is unclear."""
    headers = request.headers
    name = headers.get(_USER, "")
    if not name:
        if _GROUP in headers or _UID in headers:
            message = "requested groups, a uid or extra without impersonating a user"
            raise ApiError(500, "InternalError", message)
        return user
    if MASTERS not in user.groups:
        raise _forbidden(user, name)
    groups = headers.getall(_GROUP, []) or _groups_of_account(name)
    return UserInfo(
        username=name,
        uid=headers.get(_UID, ""),
        groups=list(dict.fromkeys([*groups, AUTHENTICATED])),
        extra=_extra(headers),
    )


def _groups_of_account(name: str) -> list[str]:
    if not name.startswith(_ACCOUNT):
        return []
    namespace = name.removeprefix(_ACCOUNT).partition(":")[0]
    return [_ACCOUNTS, f"{_ACCOUNTS}:{namespace}"]


def _extra(headers: Mapping[str, str]) -> dict[str, list[str]]:
    extra: dict[str, list[str]] = {}
    for name, value in headers.items():
        if name.lower().startswith(_EXTRA):
            extra.setdefault(unquote(name[len(_EXTRA) :].lower()), []).append(value)
    return extra


def _forbidden(user: UserInfo, name: str) -> ApiError:
    message = (
        f'users "{name}" is forbidden: User "{user.username}" cannot impersonate resource '
        '"users" in API group "" at the cluster scope'
    )
    return ApiError(403, "Forbidden", message, kind="users", name=name)
