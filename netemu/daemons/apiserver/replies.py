"""Replies: objects, lists and Statuses in the form that the client asked for.

JSON is what is kept, so JSON costs a join. Tables, metadata alone and YAML are made
from it for those who ask.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from netemu.core.apiserver.negotiation import JSON, PROTOBUF, YAML, Form, Representation
from netemu.core.apiserver.tables import to_table
from netemu.daemons.apiserver.refusals import status_of
from netemu.daemons.apiserver.watching import Kept
from netemu.errors import ApiError
from netemu.model import codec
from netemu.model.kinds import Resource
from netemu.model.schema import ApiObject

_to_json = msgspec.json.Encoder().encode
_NO_CACHE = {"Cache-Control": "no-cache, private"}
_MOST_WARNINGS = 50
_WARNINGS_ROOM = 4096
"""Clients take only so many headers (Python's a hundred), and only so long ones."""


def json_reply(body: bytes, *, code: int = 200, warnings: Sequence[str] = ()) -> web.Response:
    reply = web.Response(body=body, status=code, content_type=JSON, headers=_NO_CACHE)
    room = _WARNINGS_ROOM
    for warning in warnings[:_MOST_WARNINGS]:
        # It quotes the client's own words, which may hold what no header may.
        printable = "".join(letter if letter.isprintable() else " " for letter in warning)
        quoted = printable.replace("\\", "\\\\").replace('"', '\\"')
        room -= len(quoted)
        if room < 0:
            break
        reply.headers.add("Warning", f'299 - "{quoted}"')
    return reply


def data_reply(data: Any, *, code: int = 200) -> web.Response:
    return json_reply(_to_json(data), code=code)


def text_reply(text: str, *, code: int = 200, content_type: str = "text/plain") -> web.Response:
    return web.Response(text=text, status=code, content_type=content_type)


def failure(error: ApiError) -> web.Response:
    """Return the Status that tells of `error`."""
    reply = data_reply(status_of(error), code=error.code)
    if error.retry_after_s:
        reply.headers["Retry-After"] = str(error.retry_after_s)
    return reply


class Renderer:
    """Turns what is kept into what was asked for."""

    def __init__(
        self,
        resource: Resource,
        representation: Representation,
        *,
        include_object: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._resource = resource
        self._representation = representation
        self._include_object = include_object or "Metadata"
        self._clock = clock

    @property
    def plain(self) -> bool:
        """What is kept is what is sent."""
        return self._representation.form is Form.OBJECT

    @property
    def content_type(self) -> str:
        # Clients judge by this header, so protobuf that was asked for may be answered in JSON.
        if self._representation.media_type == PROTOBUF:
            return JSON
        return self._representation.content_type

    def object(self, kept: Kept) -> bytes:
        match self._representation.form:
            case Form.TABLE:
                metadata = {"resourceVersion": kept.obj.metadata.resource_version}
                return self._finish(_to_json(self._table([kept.obj], metadata)))
            case Form.PARTIAL | Form.PARTIAL_LIST:
                return self._finish(_to_json(self._partial(kept.obj)))
        return self._finish(kept.encoded)

    def list(
        self, items: Sequence[Kept], revision: int, *, continue_: str, remaining: int | None
    ) -> bytes:
        form = self._representation.form
        if form is Form.OBJECT:
            encoded = codec.encode_list(
                self._resource,
                [kept.encoded for kept in items],
                str(revision),
                continue_=continue_,
                remaining=remaining,
            )
            return self._finish(encoded)
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if continue_:
            metadata["continue"] = continue_
        if remaining is not None:
            metadata["remainingItemCount"] = remaining
        if form is Form.TABLE:
            return self._finish(_to_json(self._table([kept.obj for kept in items], metadata)))
        partial = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": self._representation.api_version,
            "metadata": metadata,
            "items": [self._partial(kept.obj) for kept in items],
        }
        return self._finish(_to_json(partial))

    def event(self, kept: Kept, *, first: bool) -> bytes:
        """Return the object of a watch event; only the first Table has columns."""
        match self._representation.form:
            case Form.TABLE:
                metadata = {"resourceVersion": kept.obj.metadata.resource_version}
                return _to_json(self._table([kept.obj], metadata, with_columns=first))
            case Form.PARTIAL | Form.PARTIAL_LIST:
                return _to_json(self._partial(kept.obj))
        return kept.encoded

    def bookmark(self, revision: int, *, initial_events_end: bool) -> bytes:
        metadata: dict[str, Any] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        kind, api_version = self._resource.kind, self._resource.api_version
        if self._representation.form is Form.TABLE:
            kind, api_version = "Table", self._representation.api_version
            return _to_json(
                {
                    "kind": kind,
                    "apiVersion": api_version,
                    "metadata": {"resourceVersion": str(revision)},
                    "columnDefinitions": None,
                    "rows": [],
                }
            )
        if not self.plain:
            kind, api_version = "PartialObjectMetadata", self._representation.api_version
        return _to_json({"kind": kind, "apiVersion": api_version, "metadata": metadata})

    def _table(
        self, objects: Iterable[ApiObject], metadata: dict[str, Any], *, with_columns: bool = True
    ) -> dict[str, Any]:
        return to_table(
            self._resource,
            objects,
            now=self._clock(),
            include_object=self._include_object,
            version=self._representation.version,
            metadata=metadata,
            with_columns=with_columns,
        )

    def _partial(self, obj: ApiObject) -> dict[str, Any]:
        return {
            "kind": "PartialObjectMetadata",
            "apiVersion": self._representation.api_version.replace("List", ""),
            "metadata": obj.metadata,
        }

    def _finish(self, encoded: bytes) -> bytes:
        if self._representation.media_type != YAML:
            return encoded
        import yaml

        # In Python a long list would take seconds, in which nobody else is answered.
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        text: str = yaml.dump(
            json.loads(encoded), Dumper=dumper, sort_keys=False, allow_unicode=True
        )
        return text.encode()
