"""What a DNS server knew, kept in its Pod's volume: the next one answers from it at once.

A container that starts again while the API is away would otherwise have nothing to say,
though the rules still lead to it. What the file says holds until the API has been read.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from netemu.core.dns.directory import Directory, describe
from netemu.model import codec
from netemu.model.core_v1 import Service
from netemu.model.discovery_v1 import EndpointSlice
from netemu.model.keys import ObjectKey, key_of

_SERVICE_NAME_LABEL = "kubernetes.io/service-name"
_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct):
    services: list[msgspec.Raw] = []
    slices: list[msgspec.Raw] = []
    namespaces: list[str] = []


def remember(
    path: Path,
    services: Iterable[Service],
    slices: Iterable[EndpointSlice],
    namespaces: Iterable[str],
) -> None:
    """Write what is known, all of it or nothing; without a place to write it goes on."""
    kept = _Kept(
        services=[msgspec.Raw(codec.encode(service)) for service in services],
        slices=[msgspec.Raw(codec.encode(piece)) for piece in slices],
        namespaces=sorted(namespaces),
    )
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.write_bytes(msgspec.json.encode(kept))
        draft.replace(path)
    except OSError as error:
        _log.warning("what is known cannot be kept: %s", error)
        with suppress(OSError):
            draft.unlink()


def recall(path: Path, directory: Directory) -> bool:
    """Fill an empty directory with what was kept; was there anything?"""
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        services = [codec.decode_stored(bytes(raw), Service) for raw in kept.services]
        slices = [codec.decode_stored(bytes(raw), EndpointSlice) for raw in kept.slices]
    except (OSError, msgspec.MsgspecError):
        return False
    pieces: dict[ObjectKey, list[EndpointSlice]] = {}
    for piece in slices:
        pieces.setdefault(service_of(piece), []).append(piece)
    for service in services:
        directory.put(describe(service, pieces.get(key_of(service), ())))
    directory.namespaces.update(kept.namespaces)
    return bool(services)


def service_of(piece: EndpointSlice) -> ObjectKey:
    """Return whose endpoints these are."""
    meta = piece.metadata
    return ObjectKey(meta.namespace, meta.labels.get(_SERVICE_NAME_LABEL, ""))
