"""Selectors: which objects are meant, by their labels or by a few of their fields.

As text (`app=web,tier in (a,b),!canary`), as a LabelSelector of the API, or as a field
selector (`spec.nodeName=worker-1,status.phase!=Failed`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from netemu.errors import ApiError
from netemu.model.meta_v1 import LabelSelector
from netemu.model.schema import ApiObject, ApiStruct, fields_of, struct_in


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one label must be. Operators: in, notin, exists, !, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "in":
                return found in self.values
            case "notin":
                return found not in self.values
            case "exists":
                return found is not None
            case "!":
                return found is None
        return found is not None and self._compares(found)

    def _compares(self, found: str) -> bool:
        (bound,) = self.values
        try:
            return int(found) > int(bound) if self.operator == "gt" else int(found) < int(bound)
        except ValueError:
            return False

    def __str__(self) -> str:
        values = ",".join(sorted(self.values))
        match self.operator:
            case "exists":
                return self.key
            case "!":
                return f"!{self.key}"
            case "in" if len(self.values) == 1:
                return f"{self.key}={values}"
            case "notin" if len(self.values) == 1:
                return f"{self.key}!={values}"
            case "gt" | "lt":
                return f"{self.key}{'>' if self.operator == 'gt' else '<'}{values}"
        return f"{self.key} {self.operator} ({values})"


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements together; without any, everything is meant."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    """Means no object at all: what an absent LabelSelector means."""

    @property
    def everything(self) -> bool:
        return not self.requirements and not self.nothing

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.nothing:
            return False
        return all(requirement.matches(labels) for requirement in self.requirements)

    def __str__(self) -> str:
        return ",".join(str(requirement) for requirement in self.requirements)


EVERYTHING = Selector()
NOTHING = Selector(nothing=True)

_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def from_label_selector(selector: LabelSelector | None) -> Selector:
    """Return what a LabelSelector means; an operator that does not exist is a ValueError."""
    if selector is None:
        return NOTHING
    equals = [Requirement(k, "in", frozenset((v,))) for k, v in selector.match_labels.items()]
    for expression in selector.match_expressions:
        if expression.operator not in _OPERATORS:
            raise ValueError(f"{expression.operator!r} is not a valid label selector operator")
        values = frozenset(expression.values)
        equals.append(Requirement(expression.key, _OPERATORS[expression.operator], values))
    return Selector(tuple(equals))


def from_map(labels: Mapping[str, str]) -> Selector:
    """Return what a Service's selector means: all of these labels, but an empty one nothing."""
    if not labels:
        return NOTHING
    return Selector(tuple(Requirement(k, "in", frozenset((v,))) for k, v in labels.items()))


# --- label selectors as text ----------------------------------------------------------

_TOKEN = re.compile(r"\s*(==|!=|[=!<>(),]|[^=!<>(),\s]+)")
_KEY = re.compile(r"(?:[a-z0-9][-a-z0-9.]*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@lru_cache(maxsize=256)
def parse_label_selector(text: str) -> Selector:
    """Return what the text means; ApiError 400 if it means nothing."""
    if not text.strip():
        return EVERYTHING
    tokens = _Tokens(text)
    requirements = [_requirement(tokens)]
    while tokens.next_is(","):
        requirements.append(_requirement(tokens))
    if tokens.left:
        raise tokens.wrong(f"found '{tokens.left[0]}', expected: ',' or 'end of string'")
    return Selector(tuple(requirements))


class _Tokens:
    def __init__(self, text: str) -> None:
        self.left = _TOKEN.findall(text.rstrip())

    def next_is(self, *wanted: str) -> str:
        """Take the next token if it is one of these; else return nothing."""
        return self.left.pop(0) if self.left and self.left[0] in wanted else ""

    def word(self, form: re.Pattern[str], what: str) -> str:
        found = self.left.pop(0) if self.left else ""
        if not found or not form.fullmatch(found):
            raise self.wrong(f"found '{found}', expected: {what}")
        return str(found)

    def wrong(self, reason: str) -> ApiError:
        return ApiError(400, "BadRequest", f"unable to parse requirement: {reason}")


def _requirement(tokens: _Tokens) -> Requirement:
    if tokens.next_is("!"):
        return Requirement(tokens.word(_KEY, "a label key"), "!")
    key = tokens.word(_KEY, "a label key")
    operator = tokens.next_is("=", "==", "!=", "<", ">", "in", "notin")
    if not operator:
        if tokens.left and tokens.left[0] != ",":
            raise tokens.wrong(f"found '{tokens.left[0]}', expected: in, notin, =, ==, !=, gt, lt")
        return Requirement(key, "exists")
    if operator in ("in", "notin"):
        return Requirement(key, operator, frozenset(_values(tokens)))
    return _comparison(tokens, key, operator)


def _comparison(tokens: _Tokens, key: str, operator: str) -> Requirement:
    empty = not tokens.left or tokens.left[0] == ","
    value = "" if empty else tokens.word(_VALUE, "a label value")
    if operator in "<>":
        if not re.fullmatch(r"-?\d+", value):
            raise tokens.wrong("for 'Gt', 'Lt' operators, the value must be an integer")
        return Requirement(key, "gt" if operator == ">" else "lt", frozenset((value,)))
    return Requirement(key, "notin" if operator == "!=" else "in", frozenset((value,)))


def _values(tokens: _Tokens) -> Iterator[str]:
    if not tokens.next_is("("):
        raise tokens.wrong("expected: '('")
    while True:
        empty = bool(tokens.left) and tokens.left[0] in (",", ")")
        yield "" if empty else tokens.word(_VALUE, "a label value")
        if tokens.next_is(")"):
            return
        if not tokens.next_is(","):
            raise tokens.wrong("expected: ',' or ')'")


# --- field selectors --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FieldTerm:
    path: str
    equal: bool
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All terms together; without any, everything is meant."""

    terms: tuple[FieldTerm, ...] = ()

    @property
    def everything(self) -> bool:
        return not self.terms

    def matches(self, obj: ApiObject) -> bool:
        return all((field_text(obj, t.path) == t.value) == t.equal for t in self.terms)

    def exactly(self, path: str) -> str | None:
        """Return what the field must equal, if that is asked for: good for an index."""
        return next((t.value for t in self.terms if t.path == path and t.equal), None)

    def check(self, supported: Collection[str]) -> None:
        """Raise ApiError 400 if a field is asked for that cannot be selected by."""
        for term in self.terms:
            if term.path not in supported:
                raise ApiError(400, "BadRequest", f"field label not supported: {term.path}")

    def __str__(self) -> str:
        return ",".join(f"{t.path}{'=' if t.equal else '!='}{_escape(t.value)}" for t in self.terms)


_TERM = re.compile(r"\s*([^=!\\]+?)\s*(!=|==|=)((?:[^\\=,]|\\[\\=,])*)")


@lru_cache(maxsize=256)
def parse_field_selector(text: str) -> FieldSelector:
    """Return what the text means; ApiError 400 if it means nothing."""
    return FieldSelector(tuple(_field_term(part) for part in _split(text) if part.strip()))


def _split(text: str) -> Iterable[str]:
    return re.findall(r"(?:[^,\\]|\\.)+", text)


def _field_term(text: str) -> FieldTerm:
    form = _TERM.fullmatch(text)
    if form is None:
        raise ApiError(
            400, "BadRequest", f"invalid selector: '{text}'; can't understand '{text.strip()}'"
        )
    value = re.sub(r"\\(.)", r"\1", form[3])
    return FieldTerm(form[1], form[2] != "!=", value)


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def field_text(obj: ApiObject, path: str) -> str:
    """Return a field of an object as field selectors compare it; empty if it is not set."""
    found: Any = obj
    for attribute in _attributes(type(obj), path):
        found = getattr(found, attribute, None)
    if isinstance(found, bool):
        return "true" if found else "false"
    return "" if found is None else str(found)


_ALIASES = {"source": "source.component"}


@lru_cache(maxsize=256)
def _attributes(kind: type[ApiStruct], path: str) -> tuple[str, ...]:
    """Return the attributes on the way to a field; nothing is at the end of an unknown one."""
    attributes: list[str] = []
    inner: type[ApiStruct] | None = kind
    for name in _ALIASES.get(path, path).split("."):
        fields = fields_of(inner) if inner else ()
        info = next((info for info in fields if info.wire_name == name), None)
        if info is None:
            return ("?",)
        attributes.append(info.attribute)
        inner = struct_in(info.type)
    return tuple(attributes)
