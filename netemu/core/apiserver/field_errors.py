"""What is wrong with one field, in Kubernetes' own words.

A validation collects `FieldError`s; `invalid` turns them into the one 422 reply
that kubectl prints and that `kubectl edit` reopens with (kube-api.md, 4.10).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from netemu.errors import ApiError, Cause
from netemu.model.kinds import Resource


class Reason(StrEnum):
    """A cause's machine-readable reason."""

    REQUIRED = "FieldValueRequired"
    INVALID = "FieldValueInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    DUPLICATE = "FieldValueDuplicate"
    FORBIDDEN = "FieldValueForbidden"
    NOT_FOUND = "FieldValueNotFound"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"


_WORDS = {
    Reason.REQUIRED: "Required value",
    Reason.INVALID: "Invalid value",
    Reason.NOT_SUPPORTED: "Unsupported value",
    Reason.DUPLICATE: "Duplicate value",
    Reason.FORBIDDEN: "Forbidden",
    Reason.NOT_FOUND: "Not found",
    Reason.TOO_LONG: "Too long",
    Reason.TOO_MANY: "Too many",
}
_WITHOUT_VALUE = frozenset((Reason.REQUIRED, Reason.FORBIDDEN, Reason.TOO_LONG, Reason.TOO_MANY))


@dataclass(frozen=True, slots=True)
class FieldError:
    """One complaint about one field."""

    reason: Reason
    field: str
    detail: str = ""
    value: Any = None

    @property
    def message(self) -> str:
        """The complaint without the field's path, as a cause carries it."""
        words = _WORDS[self.reason]
        if self.reason not in _WITHOUT_VALUE:
            words = f"{words}: {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError(Reason.REQUIRED, field, detail)


def bad_value(field: str, value: Any, detail: str) -> FieldError:
    return FieldError(Reason.INVALID, field, detail, value)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError(Reason.FORBIDDEN, field, detail)


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError(Reason.DUPLICATE, field, "", value)


def not_found(field: str, value: Any) -> FieldError:
    return FieldError(Reason.NOT_FOUND, field, "", value)


def unsupported(field: str, value: Any, supported: Iterable[str]) -> FieldError:
    choices = ", ".join(f'"{choice}"' for choice in sorted(supported))
    return FieldError(Reason.NOT_SUPPORTED, field, f"supported values: {choices}", value)


def too_long(field: str, most_bytes: int) -> FieldError:
    return FieldError(Reason.TOO_LONG, field, f"may not be more than {most_bytes} bytes")


def too_many(field: str, count: int, most: int) -> FieldError:
    return FieldError(Reason.TOO_MANY, field, f"{count}: must have at most {most} items")


def invalid(resource: Resource, name: str, errors: Sequence[FieldError]) -> ApiError:
    """Return the 422 that says all of `errors`."""
    return invalid_kind(resource.group, resource.kind, name, errors)


def invalid_kind(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    texts = list(dict.fromkeys(str(error) for error in errors))
    shown = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    head = f"{kind}.{group}" if group else kind
    return ApiError(
        422,
        "Invalid",
        f'{head} "{name}" is invalid: {shown}',
        group=group,
        kind=kind,
        name=name,
        causes=[Cause(error.reason.value, error.message, error.field) for error in errors],
    )
