"""Manifests: files of objects, as people write them and give them to `apply`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netemu.errors import UserError
from netemu.model.documents import Located, did_you_mean, read_documents
from netemu.model.kinds import RESOURCES, by_kind
from netemu.model.schema import Kinded


def decode_manifest(
    text: str | bytes, file: str = "", *, also: Iterable[type[Kinded]] = ()
) -> list[Located]:
    """Return the objects of a manifest, those of a `kind: List` one by one.

    `also` are kinds that the API does not store. UserError, with file and line, for
    whatever is not an object that can be applied.
    """
    types: Types = {(r.api_version, r.kind): r.type for r in RESOURCES}
    types |= {(kind.API_VERSION, kind.KIND): kind for kind in also}
    return [
        _decode(located, types)
        for document in read_documents(text, file)
        for located in _unfold(document)
    ]


Types = dict[tuple[str, str], type[Kinded]]


def _unfold(document: Located) -> Iterator[Located]:
    """Yield the items of a list, or the document itself."""
    data = document.obj
    if not isinstance(data, dict):
        raise document.error(f"expected an object with apiVersion and kind, got {data!r}")
    kind = data.get("kind")
    if not (isinstance(kind, str) and kind.endswith("List") and "items" in data):
        yield document
        return
    if not isinstance(data["items"], list):
        raise document.error("expected a list of objects", "items")
    for index in range(len(data["items"])):
        yield from _unfold(document.at(f"items[{index}]"))


def _decode(located: Located, types: Types) -> Located:
    data = located.obj
    api_version, kind = data.pop("apiVersion", None), data.pop("kind", None)
    for name, value in (("apiVersion", api_version), ("kind", kind)):
        if not isinstance(value, str) or not value:
            raise located.error(f"{name} is missing", name)
    named = types.get((api_version, kind))
    if named is None:
        raise _unknown_kind(located, api_version, kind, types)
    obj = located.into(named)
    return Located(obj, located.file, located.line, located.node)


def _unknown_kind(located: Located, api_version: str, kind: str, types: Types) -> UserError:
    versions = sorted(version for version, known in types if known == kind)
    if versions:
        hint = f' (did you mean apiVersion "{versions[0]}"?)'
        return located.error(f'no kind "{kind}" in apiVersion "{api_version}"{hint}', "apiVersion")
    hint = did_you_mean(kind, sorted(known for _, known in types))
    if not hint and by_kind(api_version, kind) is None:
        hint = "; netemu knows " + ", ".join(sorted({known for _, known in types}))
    return located.error(f'unknown kind "{kind}" in apiVersion "{api_version}"{hint}', "kind")
