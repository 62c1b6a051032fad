"""Users, powers and kernel parameters: securityContext, the pod's and the containers'."""

from __future__ import annotations

import re

from netemu.core.apiserver.field_errors import FieldError, bad_value, duplicate, required
from netemu.model.core_v1 import PodSecurityContext, SecurityContext, Sysctl

_ID_MAX = 2**31 - 1
_BAD_ID = f"must be between 0 and {_ID_MAX}, inclusive"
_SYSCTL = re.compile(r"[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?(?:[./][a-z0-9](?:[-_a-z0-9]*[a-z0-9])?)*")
_SYSCTL_MAX = 253


def validate_pod_security(context: PodSecurityContext | None, at: str) -> list[FieldError]:
    if context is None:
        return []
    ids = {
        "runAsUser": context.run_as_user,
        "runAsGroup": context.run_as_group,
        "fsGroup": context.fs_group,
        **{
            f"supplementalGroups[{n}]": group for n, group in enumerate(context.supplemental_groups)
        },
    }
    return _validate_ids(ids, at) + _validate_sysctls(context.sysctls, f"{at}.sysctls")


def validate_container_security(context: SecurityContext | None, at: str) -> list[FieldError]:
    if context is None:
        return []
    errors = _validate_ids(
        {"runAsUser": context.run_as_user, "runAsGroup": context.run_as_group}, at
    )
    if context.privileged and context.allow_privilege_escalation is False:
        detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
        errors.append(bad_value(f"{at}.allowPrivilegeEscalation", False, detail))
    return errors


def _validate_ids(ids: dict[str, int | None], at: str) -> list[FieldError]:
    return [
        bad_value(f"{at}.{field}", number, _BAD_ID)
        for field, number in ids.items()
        if number is not None and not 0 <= number <= _ID_MAX
    ]


def _validate_sysctls(sysctls: list[Sysctl], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, sysctl in enumerate(sysctls):
        field = f"{at}[{index}].name"
        if not sysctl.name:
            errors.append(required(field))
        elif len(sysctl.name) > _SYSCTL_MAX or not _SYSCTL.fullmatch(sysctl.name):
            detail = f"must have at most {_SYSCTL_MAX} characters and match regex {_SYSCTL.pattern}"
            errors.append(bad_value(field, sysctl.name, detail))
        elif sysctl.name in names:
            errors.append(duplicate(field, sysctl.name))
        names.add(sysctl.name)
    return errors
