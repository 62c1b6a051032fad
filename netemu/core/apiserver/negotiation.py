"""Which form of an answer a client asked for.

An `Accept` header lists media ranges; their parameters (`as`, `g`, `v`) ask for
another view of the same resource, in any order. Ranges that we cannot serve are
passed over: clients put protobuf first and JSON behind it, and a 406 for that would
turn away every controller (kube-api.md, 0.2). Protobuf itself is served only to those
who accept nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from netemu.errors import ApiError

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
OPENAPI_V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# What is asked for with `@` must be answered with a dot: Go's parser refuses the `@`.
_OPENAPI_V2_ASKED = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    OPENAPI_V2_PROTOBUF,
)


class Form(StrEnum):
    """The view of a resource that is sent, by the word of the `as` parameter."""

    OBJECT = ""
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"
    DISCOVERY = "APIGroupDiscoveryList"


_VERSIONS = {
    Form.TABLE: ("meta.k8s.io", ("v1", "v1beta1")),
    Form.PARTIAL: ("meta.k8s.io", ("v1", "v1beta1")),
    Form.PARTIAL_LIST: ("meta.k8s.io", ("v1", "v1beta1")),
    Form.DISCOVERY: ("apidiscovery.k8s.io", ("v2", "v2beta1")),
}


@dataclass(frozen=True, slots=True)
class Representation:
    """What to send: a media type, and which view of the resource in which version."""

    media_type: str
    form: Form = Form.OBJECT
    version: str = ""

    @property
    def api_version(self) -> str:
        """The apiVersion of the view, such as `meta.k8s.io/v1` for a Table."""
        return f"{_VERSIONS[self.form][0]}/{self.version}" if self.form else ""

    @property
    def content_type(self) -> str:
        """The answer's Content-Type; aggregated discovery must repeat what was asked."""
        if self.form is Form.DISCOVERY:
            group = _VERSIONS[self.form][0]
            return f"{self.media_type};g={group};v={self.version};as={self.form}"
        return self.media_type


@dataclass(frozen=True, slots=True)
class _Range:
    media_type: str
    parameters: dict[str, str]
    quality: float


@lru_cache(maxsize=256)
def negotiate(accept_header: str) -> Representation:
    """Return the first form the header lists that we serve; ApiError 406 if there is none."""
    last_resort: Representation | None = None
    for wanted in _ranges(accept_header):
        found = _served(wanted)
        if found is None:
            continue
        if found.media_type != PROTOBUF:
            return found
        last_resort = last_resort or found
    if last_resort is None:
        raise ApiError(
            406,
            "NotAcceptable",
            f"only the following media types are accepted: {JSON}, {YAML}, {PROTOBUF}",
        )
    return last_resort


def _ranges(header: str) -> list[_Range]:
    """Parse the header, best first; equals stay in the order the client wrote them."""
    ranges = [_parse(part) for part in header.split(",") if part.strip()]
    accepted = [r for r in ranges if r.quality > 0]
    if not ranges:
        return [_Range("*/*", {}, 1.0)]
    return sorted(accepted, key=lambda r: -r.quality)


def _parse(text: str) -> _Range:
    media_type, *rest = (part.strip() for part in text.split(";"))
    parameters = {}
    for part in rest:
        name, _, value = part.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    try:
        quality = float(parameters.pop("q", "1"))
    except ValueError:
        quality = 1.0
    return _Range(media_type.lower(), parameters, quality)


def _served(wanted: _Range) -> Representation | None:
    if wanted.media_type in _OPENAPI_V2_ASKED:
        return Representation(OPENAPI_V2_PROTOBUF)
    media_type = _media_type(wanted.media_type)
    if media_type is None:
        return None
    asked = wanted.parameters.get("as", "")
    if not asked:
        return Representation(media_type)
    if asked not in set(Form) or media_type == PROTOBUF:
        return None  # We make views in JSON only; clients list JSON behind protobuf.
    form = Form(asked)
    group, versions = _VERSIONS[form]
    version = wanted.parameters.get("v", versions[0])
    if wanted.parameters.get("g", group) != group or version not in versions:
        return None
    return Representation(media_type, form, version)


def _media_type(wanted: str) -> str | None:
    match wanted:
        case "*/*" | "application/*" | "application/json":
            return JSON
        case "application/yaml" | "application/x-yaml" | "text/yaml":
            return YAML
        case "application/vnd.kubernetes.protobuf":
            return PROTOBUF
    return None
