"""Deployments and ReplicaSets: a selector that finds what the template makes."""

from __future__ import annotations

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.core.apiserver.validation.metadata import (
    validate_annotations,
    validate_labels,
    validate_selector,
)
from netemu.core.apiserver.validation.pods import validate_pod_spec
from netemu.model.apps_v1 import Deployment, DeploymentStrategy, ReplicaSet
from netemu.model.codec import to_dict
from netemu.model.core_v1 import PodTemplateSpec
from netemu.model.meta_v1 import LabelSelector
from netemu.model.schema import IntOrString
from netemu.model.selector import from_label_selector

_STRATEGIES = ("Recreate", "RollingUpdate")
_AT = "spec.template"


def validate_deployment(deployment: Deployment) -> list[FieldError]:
    spec = deployment.spec
    errors = _validate_counts(replicas=spec.replicas, minReadySeconds=spec.min_ready_seconds)
    errors += _validate_selected(spec.selector, spec.template, "deployment")
    errors += _validate_strategy(spec.strategy)
    errors += _validate_counts(revisionHistoryLimit=spec.revision_history_limit)
    deadline = spec.progress_deadline_seconds
    if deadline is not None and deadline <= spec.min_ready_seconds:
        detail = "must be greater than minReadySeconds"
        errors.append(bad_value("spec.progressDeadlineSeconds", deadline, detail))
    return errors


def validate_replica_set(replica_set: ReplicaSet) -> list[FieldError]:
    spec = replica_set.spec
    errors = _validate_counts(replicas=spec.replicas, minReadySeconds=spec.min_ready_seconds)
    return errors + _validate_selected(spec.selector, spec.template, "replicaset")


def validate_selector_update(
    new: Deployment | ReplicaSet, old: Deployment | ReplicaSet
) -> list[FieldError]:
    """A selector that changes would leave pods behind, so it never does."""
    if new.spec.selector == old.spec.selector:
        return []
    value = None if new.spec.selector is None else to_dict(new.spec.selector)
    return [bad_value("spec.selector", value, formats.IMMUTABLE)]


def _validate_counts(**counts: int | None) -> list[FieldError]:
    return [
        bad_value(f"spec.{name}", count, formats.NOT_NEGATIVE)
        for name, count in counts.items()
        if count is not None and count < 0
    ]


def _validate_selected(
    selector: LabelSelector | None, template: PodTemplateSpec, what: str
) -> list[FieldError]:
    errors: list[FieldError] = []
    labels = template.metadata.labels
    if selector is None:
        errors.append(required("spec.selector"))
    else:
        selector_errors = validate_selector(selector, "spec.selector")
        errors += selector_errors
        if not selector.match_labels and not selector.match_expressions:
            detail = f"empty selector is invalid for {what}"
            errors.append(bad_value("spec.selector", {}, detail))
        elif not selector_errors and not from_label_selector(selector).matches(labels):
            detail = "`selector` does not match template `labels`"
            errors.append(bad_value(f"{_AT}.metadata.labels", labels, detail))
    return errors + _validate_template(template)


def _validate_template(template: PodTemplateSpec) -> list[FieldError]:
    errors = validate_labels(template.metadata.labels, f"{_AT}.metadata.labels")
    errors += validate_annotations(template.metadata.annotations, f"{_AT}.metadata.annotations")
    errors += validate_pod_spec(template.spec, f"{_AT}.spec")
    if template.spec.restart_policy != "Always":
        field = f"{_AT}.spec.restartPolicy"
        errors.append(unsupported(field, template.spec.restart_policy, ("Always",)))
    if template.spec.active_deadline_seconds is not None:
        field = f"{_AT}.spec.activeDeadlineSeconds"
        errors.append(forbidden(field, "activeDeadlineSeconds in ReplicaSet is not Supported"))
    return errors


def _validate_strategy(strategy: DeploymentStrategy) -> list[FieldError]:
    at = "spec.strategy"
    if strategy.type not in _STRATEGIES:
        return [unsupported(f"{at}.type", strategy.type, _STRATEGIES)]
    rolling = strategy.rolling_update
    if strategy.type == "Recreate":
        detail = "may not be specified when strategy `type` is 'Recreate'"
        return [forbidden(f"{at}.rollingUpdate", detail)] if rolling is not None else []
    if rolling is None:
        return [required(f"{at}.rollingUpdate", "this should be defaulted and never be nil")]
    errors = _validate_amount(rolling.max_unavailable, f"{at}.rollingUpdate.maxUnavailable")
    errors += _validate_amount(rolling.max_surge, f"{at}.rollingUpdate.maxSurge")
    if not errors:
        if _is_zero(rolling.max_unavailable) and _is_zero(rolling.max_surge):
            # Neither one more nor one less: it could never move.
            field = f"{at}.rollingUpdate.maxUnavailable"
            detail = "may not be 0 when `maxSurge` is 0"
            errors.append(bad_value(field, rolling.max_unavailable, detail))
        elif _percent(rolling.max_unavailable) > 100:
            field = f"{at}.rollingUpdate.maxUnavailable"
            errors.append(
                bad_value(field, rolling.max_unavailable, "must not be greater than 100%")
            )
    return errors


def _validate_amount(amount: IntOrString | None, at: str) -> list[FieldError]:
    if isinstance(amount, str) and not formats.is_percent(amount):
        return [bad_value(at, amount, formats.PERCENT_TEXT)]
    if isinstance(amount, int) and amount < 0:
        return [bad_value(at, amount, formats.NOT_NEGATIVE)]
    return []


def _percent(amount: IntOrString | None) -> int:
    return int(amount.removesuffix("%")) if isinstance(amount, str) else 0


def _is_zero(amount: IntOrString | None) -> bool:
    return amount == 0 or (isinstance(amount, str) and _percent(amount) == 0)
