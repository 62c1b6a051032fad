"""What the query of a request asks for, checked: options that we do not honour are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netemu.daemons.apiserver.refusals import bad_request, invalid_options
from netemu.errors import ApiError

_LONGEST_MANAGER = 128
_LONGEST_REVISION = 20
"""Digits of 64 bits."""
_TRUE = ("1", "true", "True", "t", "T", "TRUE")


def flag(query: Mapping[str, str], name: str) -> bool:
    # `?watch` without a value means yes, as Go's conversion has it.
    return name in query and query[name] in (*_TRUE, "")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """The query of a list or a watch."""

    labels: str
    fields: str
    watch: bool
    limit: int
    continue_: str
    revision: int | None
    """None: nothing was said; the newest."""
    exact: bool
    bookmarks: bool
    initial_events: bool
    timeout_s: int


def list_options(query: Mapping[str, str], *, watch: bool) -> ListOptions:
    """Parse and check; ApiError 400 or 422."""
    watch = watch or flag(query, "watch")
    text = query.get("resourceVersion", "")
    match = query.get("resourceVersionMatch", "")
    initial = "sendInitialEvents" in query
    _check_match(text, match, watch=watch, initial=initial)
    continue_ = query.get("continue", "")
    if continue_ and text not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    return ListOptions(
        labels=query.get("labelSelector", ""),
        fields=query.get("fieldSelector", ""),
        watch=watch,
        limit=_number(query, "limit"),
        continue_=continue_,
        revision=revision_of(text),
        exact=match == "Exact",
        bookmarks=flag(query, "allowWatchBookmarks"),
        initial_events=initial and flag(query, "sendInitialEvents"),
        timeout_s=_number(query, "timeoutSeconds"),
    )


def _check_match(text: str, match: str, *, watch: bool, initial: bool) -> None:
    field, forbidden = "resourceVersionMatch", "FieldValueForbidden"
    why = ""
    if initial and not watch:
        field, why = "sendInitialEvents", "sendInitialEvents is forbidden for list"
    elif initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
    elif watch and match and not initial:
        why = "resourceVersionMatch is forbidden for watch"
    elif match and not watch and not text:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif match == "Exact" and text == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    if why:
        raise invalid_options("ListOptions", field, forbidden, f"Forbidden: {why}")
    if match not in ("", "Exact", "NotOlderThan"):
        supported = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan"'
        raise invalid_options("ListOptions", field, "FieldValueNotSupported", supported)


def _number(query: Mapping[str, str], name: str) -> int:
    text = query.get(name, "")
    if not text:
        return 0
    if not text.removeprefix("-").isdecimal() or len(text) > _LONGEST_REVISION:
        raise bad_request(f"{name} is a number, not {text[:40]!r}")
    return max(0, int(text))


def revision_of(text: str) -> int | None:
    """Return what a `resourceVersion` says; None if it is empty. ApiError 400."""
    if not text:
        return None
    if not text.isdecimal() or len(text) > _LONGEST_REVISION:
        raise bad_request(f'Invalid value: "{text}": resourceVersion is a number')
    return int(text)


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """The query of a write."""

    dry_run: bool
    validation: str
    """`Strict`, `Warn` or `Ignore`: what unknown fields are answered with."""
    manager: str
    """Whom server-side apply takes for the writer; empty if the client did not say."""
    force: bool


def write_options(query: Mapping[str, str]) -> WriteOptions:
    """Parse and check; ApiError 422."""
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        text = f'Unsupported value: ["{dry_run}"]: supported values: "All"'
        raise invalid_options("CreateOptions", "dryRun", "FieldValueNotSupported", text)
    validation = query.get("fieldValidation", "") or "Warn"
    if validation not in ("Strict", "Warn", "Ignore"):
        text = f'Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        raise invalid_options("CreateOptions", "fieldValidation", "FieldValueNotSupported", text)
    manager = query.get("fieldManager", "")
    if len(manager) > _LONGEST_MANAGER or not manager.isprintable():
        text = f'Invalid value: "{manager}": should be printable, and no longer than 128'
        raise invalid_options("PatchOptions", "fieldManager", "FieldValueInvalid", text)
    return WriteOptions(bool(dry_run), validation, manager, flag(query, "force"))


def strict_decoding_error(kind: str, version: str, complaints: list[str]) -> ApiError:
    found = ", ".join(complaints)
    return bad_request(
        f'{kind} in version "{version}" cannot be handled as a {kind}: '
        f"strict decoding error: {found}"
    )
