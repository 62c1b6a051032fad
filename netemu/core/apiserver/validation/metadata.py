"""Names, labels, annotations, owners and finalizers: the same for every kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    forbidden,
    required,
    too_long,
)
from netemu.core.apiserver.validation import formats
from netemu.model.core_v1 import Namespace, Service
from netemu.model.kinds import Resource
from netemu.model.meta_v1 import LabelSelector, OwnerReference
from netemu.model.schema import ApiObject

_ANNOTATIONS_MAX_BYTES = 256 * 1024
_STANDARD_FINALIZERS = frozenset(("kubernetes", "orphan", "foregroundDeletion"))
_OPERATORS = ("DoesNotExist", "Exists", "In", "NotIn")

_NAMES: dict[type, Callable[[str], list[str]]] = {
    Namespace: formats.dns_label,
    Service: formats.dns_label_1035,
}


def validate_metadata(obj: ApiObject, resource: Resource) -> list[FieldError]:
    meta = obj.metadata
    errors: list[FieldError] = []
    check = _NAMES.get(type(obj), formats.dns_subdomain)
    if not meta.name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [bad_value("metadata.name", meta.name, text) for text in check(meta.name)]
    errors += _validate_namespace(obj, resource)
    errors += validate_labels(meta.labels, "metadata.labels")
    errors += validate_annotations(meta.annotations, "metadata.annotations")
    errors += _validate_owners(meta.owner_references)
    return errors + _validate_finalizers(meta.finalizers)


def _validate_namespace(obj: ApiObject, resource: Resource) -> list[FieldError]:
    namespace, field = obj.metadata.namespace, "metadata.namespace"
    if not resource.namespaced:
        return [forbidden(field, "not allowed on this type")] if namespace else []
    if not namespace:
        return [required(field)]
    return [bad_value(field, namespace, text) for text in formats.dns_label(namespace)]


def validate_metadata_update(new: ApiObject, old: ApiObject) -> list[FieldError]:
    meta, before = new.metadata, old.metadata
    errors = validate_labels(meta.labels, "metadata.labels")
    errors += validate_annotations(meta.annotations, "metadata.annotations")
    errors += _validate_owners(meta.owner_references)
    errors += _validate_finalizers(meta.finalizers)
    added = [f for f in meta.finalizers if f not in before.finalizers]
    if before.deletion_timestamp and added:
        detail = (
            "no new finalizers can be added if the object is being deleted, "
            f"found new finalizers {added}"
        )
        errors.append(forbidden("metadata.finalizers", detail))
    return errors


def validate_labels(labels: Mapping[str, str], field: str) -> list[FieldError]:
    errors = []
    for key, value in labels.items():
        errors += [bad_value(field, key, text) for text in formats.qualified_name(key)]
        errors += [bad_value(field, value, text) for text in formats.label_value(value)]
    return errors


def validate_annotations(annotations: Mapping[str, str], field: str) -> list[FieldError]:
    errors = [
        bad_value(field, key, text)
        for key in annotations
        for text in formats.qualified_name(key.lower())
    ]
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_MAX_BYTES:
        errors.append(too_long(field, _ANNOTATIONS_MAX_BYTES))
    return errors


def _validate_owners(owners: Sequence[OwnerReference]) -> list[FieldError]:
    field = "metadata.ownerReferences"
    errors = []
    for owner in owners:
        for name, value in (
            ("apiVersion", owner.api_version),
            ("kind", owner.kind),
            ("name", owner.name),
            ("uid", owner.uid),
        ):
            if not value:
                errors.append(bad_value(f"{field}.{name}", value, f"{name} must not be empty"))
    controllers = [f"{owner.kind}/{owner.name}" for owner in owners if owner.controller]
    if len(controllers) > 1:
        detail = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {" and ".join(controllers[:2])}'
        )
        errors.append(bad_value(field, controllers, detail))
    return errors


def validate_namespace(namespace: Namespace) -> list[FieldError]:
    """Whatever stands there must be taken out by someone, or the namespace never goes."""
    return _validate_finalizers(namespace.spec.finalizers, "spec.finalizers")


def _validate_finalizers(
    finalizers: Sequence[str], field: str = "metadata.finalizers"
) -> list[FieldError]:
    errors = []
    for name in finalizers:
        errors += [bad_value(field, name, text) for text in formats.qualified_name(name)]
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            detail = "name is neither a standard finalizer name nor is it fully qualified"
            errors.append(bad_value(field, name, detail))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        errors.append(bad_value(field, list(finalizers), detail))
    return errors


def validate_selector(selector: LabelSelector, field: str) -> list[FieldError]:
    errors = validate_labels(selector.match_labels, f"{field}.matchLabels")
    for index, term in enumerate(selector.match_expressions):
        at = f"{field}.matchExpressions[{index}]"
        if term.operator in ("In", "NotIn") and not term.values:
            detail = "must be specified when `operator` is 'In' or 'NotIn'"
            errors.append(required(f"{at}.values", detail))
        elif term.operator in ("Exists", "DoesNotExist") and term.values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(f"{at}.values", detail))
        elif term.operator not in _OPERATORS:
            errors.append(
                bad_value(f"{at}.operator", term.operator, "not a valid selector operator")
            )
        errors += [
            bad_value(f"{at}.key", term.key, text) for text in formats.qualified_name(term.key)
        ]
    return errors
