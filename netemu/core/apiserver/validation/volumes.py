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
from netemu.core.apiserver.validation.containers import (
    relative_path_problems,
    validate_file_field_path,
)
from netemu.model.core_v1 import DownwardAPIVolumeFile, HostPathVolumeSource, KeyToPath, Volume
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
_TOKEN_MAX_S = 1 << 32
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
            return named + _validate_files(source, at)
        case "secret":
            named = [] if source.secret_name else [required(f"{at}.secretName")]
            return named + _validate_files(source, at)
        case "downwardAPI":
            errors = _validate_mode(source.default_mode, f"{at}.defaultMode")
            return errors + _validate_downward(source.items, at)
        case "persistentVolumeClaim":
            return [] if source.claim_name else [required(f"{at}.claimName")]
        case "projected":
            errors = _validate_mode(source.default_mode, f"{at}.defaultMode")
            return errors + _validate_projected(source, at)
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


def _validate_files(source: Any, at: str) -> list[FieldError]:
    return _validate_mode(source.default_mode, f"{at}.defaultMode") + validate_items(
        source.items, at
    )


def _validate_mode(mode: int | None, field: str) -> list[FieldError]:
    if mode is None or 0 <= mode <= 0o777:
        return []
    detail = "must be a number between 0 and 0777 (octal), both inclusive"
    return [bad_value(field, mode, detail)]


def _validate_path(path: str, field: str) -> list[FieldError]:
    """A file of a volume stays within the volume."""
    if not path:
        return [required(field)]
    return [bad_value(field, path, text) for text in relative_path_problems(path)]


def _validate_downward(items: Iterable[DownwardAPIVolumeFile], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        field = f"{at}.items[{index}]"
        errors += _validate_path(item.path, f"{field}.path")
        errors += _validate_mode(item.mode, f"{field}.mode")
        if item.field_ref is None and item.resource_field_ref is None:
            errors.append(required(field, "one of fieldRef and resourceFieldRef is required"))
        elif item.field_ref is not None and item.resource_field_ref is not None:
            detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(bad_value(field, "resource", detail))
        if item.field_ref is not None:
            path = item.field_ref.field_path
            errors += validate_file_field_path(path, f"{field}.fieldRef.fieldPath")
        if item.resource_field_ref is not None and not item.resource_field_ref.container_name:
            errors.append(required(f"{field}.resourceFieldRef.containerName"))
    return errors


def validate_items(items: Iterable[KeyToPath], at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(items):
        field = f"{at}.items[{index}]"
        if not item.key:
            errors.append(required(f"{field}.key"))
        errors += _validate_path(item.path, f"{field}.path")
        errors += _validate_mode(item.mode, f"{field}.mode")
    return errors


def _validate_projected(source: Any, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, projection in enumerate(source.sources):
        field = f"{at}.sources[{index}]"
        token = projection.service_account_token
        if token is not None:
            if token.expiration_seconds is not None and token.expiration_seconds > _TOKEN_MAX_S:
                detail = "may not specify a duration larger than 2^32 seconds"
                at_token = f"{field}.serviceAccountToken.expirationSeconds"
                errors.append(bad_value(at_token, token.expiration_seconds, detail))
            if token.expiration_seconds is not None and token.expiration_seconds < 600:
                errors.append(
                    bad_value(
                        f"{field}.serviceAccountToken.expirationSeconds",
                        token.expiration_seconds,
                        "may not specify a duration less than 10 minutes",
                    )
                )
            errors += _validate_path(token.path, f"{field}.serviceAccountToken.path")
        if projection.downward_api is not None:
            errors += _validate_downward(projection.downward_api.items, f"{field}.downwardAPI")
        for name, reference in (
            ("configMap", projection.config_map),
            ("secret", projection.secret),
        ):
            if reference is not None:
                if not reference.name:
                    errors.append(required(f"{field}.{name}.name"))
                errors += validate_items(reference.items, f"{field}.{name}")
    return errors
