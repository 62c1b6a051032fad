"""Volumes: a name, and exactly one source."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    duplicate,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.containers import relative_path_problems
from netemu.model.core_v1 import HostPathVolumeSource, KeyToPath, Volume
from netemu.model.schema import fields_of

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_SOURCES = tuple(
    (field.wire_name, field.attribute) for field in fields_of(Volume) if field.attribute != "name"
)


def validate_volumes(volumes: Iterable[Volume], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        field = f"{at}[{index}]"
        if not volume.name:
            errors.append(required(f"{field}.name"))
        else:
            problems = formats.dns_label(volume.name)
            errors += [bad_value(f"{field}.name", volume.name, text) for text in problems]
        if volume.name in names:
            errors.append(duplicate(f"{field}.name", volume.name))
        names.add(volume.name)
        errors += _validate_source(volume, field)
    return errors


def _validate_source(volume: Volume, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    chosen = [(wire, getattr(volume, name)) for wire, name in _SOURCES if getattr(volume, name)]
    for wire, _ in chosen[1:]:
        errors.append(forbidden(f"{at}.{wire}", "may not specify more than 1 volume type"))
    if not chosen:
        return [required(at, "must specify a volume type")]
    wire, source = chosen[0]
    return errors + _validate_one(wire, source, f"{at}.{wire}")


def _validate_one(wire: str, source: Any, at: str) -> list[FieldError]:
    match wire:
        case "hostPath":
            return _validate_host_path(source, at)
        case "configMap":
            named = [] if source.name else [required(f"{at}.name")]
            return named + validate_items(source.items, at)
        case "secret":
            named = [] if source.secret_name else [required(f"{at}.secretName")]
            return named + validate_items(source.items, at)
        case "persistentVolumeClaim":
            return [] if source.claim_name else [required(f"{at}.claimName")]
        case "projected" if not source.sources:
            return []
        case "projected":
            return _validate_projected(source, at)
    return []


def _validate_host_path(source: HostPathVolumeSource, at: str) -> list[FieldError]:
    errors = []
    if not source.path:
        errors.append(required(f"{at}.path"))
    elif ".." in source.path.split("/"):
        errors.append(bad_value(f"{at}.path", source.path, "must not contain '..'"))
    if source.type and source.type not in _HOST_PATH_TYPES:
        errors.append(unsupported(f"{at}.type", source.type, _HOST_PATH_TYPES))
    return errors


def validate_items(items: Iterable[KeyToPath], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        field = f"{at}.items[{index}]"
        if not item.key:
            errors.append(required(f"{field}.key"))
        if not item.path:
            errors.append(required(f"{field}.path"))
        else:
            problems = relative_path_problems(item.path)
            errors += [bad_value(f"{field}.path", item.path, text) for text in problems]
        if item.mode is not None and not 0 <= item.mode <= 0o777:
            detail = "must be a number between 0 and 0777 (octal), both inclusive"
            errors.append(bad_value(f"{field}.mode", item.mode, detail))
    return errors


def _validate_projected(source: Any, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, projection in enumerate(source.sources):
        field = f"{at}.sources[{index}]"
        token = projection.service_account_token
        if token is not None:
            if token.expiration_seconds is not None and token.expiration_seconds < 600:
                errors.append(
                    bad_value(
                        f"{field}.serviceAccountToken.expirationSeconds",
                        token.expiration_seconds,
                        "may not specify a duration less than 10 minutes",
                    )
                )
            if not token.path:
                errors.append(required(f"{field}.serviceAccountToken.path"))
        for name, reference in (
            ("configMap", projection.config_map),
            ("secret", projection.secret),
        ):
            if reference is not None:
                if not reference.name:
                    errors.append(required(f"{field}.{name}.name"))
                errors += validate_items(reference.items, f"{field}.{name}")
    return errors
