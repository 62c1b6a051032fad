"""Probes and lifecycle hooks: exactly one thing to do, and sane numbers."""

from __future__ import annotations

from typing import Any

from netemu.core.apiserver.field_errors import (
    FieldError,
    bad_value,
    forbidden,
    required,
    unsupported,
)
from netemu.core.apiserver.validation import formats
from netemu.model.core_v1 import Container, Probe
from netemu.model.schema import IntOrString

_SCHEMES = ("HTTP", "HTTPS")


def validate_probes(container: Container, at: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for name, probe, once in (
        ("livenessProbe", container.liveness_probe, True),
        ("readinessProbe", container.readiness_probe, False),
        ("startupProbe", container.startup_probe, True),
    ):
        if probe is None:
            continue
        errors += _validate_probe(probe, f"{at}.{name}")
        if once and probe.success_threshold != 1:
            # One success says that it lives; readiness alone may want several.
            field = f"{at}.{name}.successThreshold"
            errors.append(bad_value(field, probe.success_threshold, "must be 1"))
    return errors


def validate_lifecycle(container: Container, at: str) -> list[FieldError]:
    if container.lifecycle is None:
        return []
    errors: list[FieldError] = []
    for name, handler in (
        ("postStart", container.lifecycle.post_start),
        ("preStop", container.lifecycle.pre_stop),
    ):
        if handler is not None:
            errors += _validate_handler(handler, f"{at}.lifecycle.{name}")
    return errors


def _validate_probe(probe: Probe, at: str) -> list[FieldError]:
    errors = _validate_handler(probe, at)
    for name, value in (
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ):
        if value < 0:
            errors.append(bad_value(f"{at}.{name}", value, formats.NOT_NEGATIVE))
    return errors


def _validate_handler(handler: Any, at: str) -> list[FieldError]:
    """Check a probe's or a hook's action; which actions there are, its type says."""
    errors: list[FieldError] = []
    chosen = 0
    for name, attribute in (
        ("exec", "exec"),
        ("httpGet", "http_get"),
        ("tcpSocket", "tcp_socket"),
        ("grpc", "grpc"),
        ("sleep", "sleep"),
    ):
        action = getattr(handler, attribute, None)
        if action is None:
            continue
        chosen += 1
        if chosen > 1:
            detail = "may not specify more than 1 handler type"
            errors.append(forbidden(f"{at}.{name}", detail))
        else:
            errors += _validate_action(name, action, f"{at}.{name}")
    if not chosen:
        errors.append(required(at, "must specify a handler type"))
    return errors


def _validate_action(name: str, action: Any, at: str) -> list[FieldError]:
    match name:
        case "exec":
            return [] if action.command else [required(f"{at}.command")]
        case "httpGet":
            errors = [] if action.path else [required(f"{at}.path")]
            errors += validate_port(action.port, f"{at}.port")
            if action.scheme not in _SCHEMES:
                errors.append(unsupported(f"{at}.scheme", action.scheme, _SCHEMES))
            return errors
        case "sleep":
            return []
    return validate_port(action.port, f"{at}.port")


def validate_port(port: IntOrString, at: str) -> list[FieldError]:
    """A number, or the name of a container's port."""
    problems = formats.port_number(port) if isinstance(port, int) else formats.port_name(port)
    return [bad_value(at, port, text) for text in problems]
