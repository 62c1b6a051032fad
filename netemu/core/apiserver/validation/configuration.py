"""ConfigMaps, Secrets and Events: keys that become files, and what may never change."""

from __future__ import annotations

from netemu.core.apiserver.field_errors import FieldError, bad_value, forbidden, too_long
from netemu.core.apiserver.validation import formats
from netemu.model.core_v1 import ConfigMap, Event, Secret

_MAX_BYTES = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


def validate_config_map(config_map: ConfigMap) -> list[FieldError]:
    errors: list[FieldError] = []
    size = 0
    for key, text in config_map.data.items():
        errors += _validate_key(key, "data")
        if key in config_map.binary_data:
            detail = "duplicate of key present in binaryData"
            errors.append(bad_value(f"data[{key}]", key, detail))
        size += len(text.encode())
    for key, encoded in config_map.binary_data.items():
        errors += _validate_key(key, "binaryData")
        size += _decoded_size(encoded)
    if size > _MAX_BYTES:
        errors.append(too_long("", _MAX_BYTES))
    return errors


def validate_secret(secret: Secret) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in secret.data:
        errors += _validate_key(key, "data")
    if sum(_decoded_size(encoded) for encoded in secret.data.values()) > _MAX_BYTES:
        errors.append(too_long("data", _MAX_BYTES))
    return errors


def _validate_key(key: str, field: str) -> list[FieldError]:
    return [bad_value(f"{field}[{key}]", key, text) for text in formats.config_key(key)]


def _decoded_size(encoded: str) -> int:
    return len(encoded) * 3 // 4


def validate_config_map_update(new: ConfigMap, old: ConfigMap) -> list[FieldError]:
    if not old.immutable:
        return []
    errors: list[FieldError] = []
    if not new.immutable:
        errors.append(forbidden("immutable", _FROZEN))
    if new.data != old.data:
        errors.append(forbidden("data", _FROZEN))
    if new.binary_data != old.binary_data:
        errors.append(forbidden("binaryData", _FROZEN))
    return errors


def validate_secret_update(new: Secret, old: Secret) -> list[FieldError]:
    errors: list[FieldError] = []
    if new.type != old.type:
        errors.append(bad_value("type", new.type, formats.IMMUTABLE))
    if old.immutable:
        if not new.immutable:
            errors.append(forbidden("immutable", _FROZEN))
        if new.data != old.data:
            errors.append(forbidden("data", _FROZEN))
    return errors


def validate_event(event: Event) -> list[FieldError]:
    about = event.involved_object.namespace
    # What belongs to no namespace is told in the default one.
    if event.metadata.namespace == (about or "default"):
        return []
    if not about and event.metadata.namespace == "kube-system":
        return []
    detail = "does not match event.namespace"
    return [bad_value("involvedObject.namespace", about, detail)]
