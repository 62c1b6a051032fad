"""The ledger: each write that a user asked for, and what came of it.

A write is acknowledged, with the revision and the content that the server answered
with; or its connection was lost, and the writer has looked afterwards whether it is
there. What is in here must be in the store, and in every watch, in this order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SERIAL = "test.netemu.dev/serial"


@dataclass(slots=True)
class Write:
    """One write that took place."""

    verb: str
    serial: str
    """Of the content that it wrote; of a deletion, that of the request."""
    revision: int = 0
    """0: not told."""
    digest: str = ""


@dataclass(slots=True)
class Life:
    """All writes to one object, from its creation on."""

    path: str
    uid: str
    writes: list[Write] = field(default_factory=list)

    @property
    def deleted(self) -> bool:
        return bool(self.writes) and self.writes[-1].verb == "DELETE"

    @property
    def serial(self) -> str:
        """Of the content that is there now."""
        return next(write.serial for write in reversed(self.writes) if write.verb != "DELETE")


class Ledger:
    """All lives of all objects, and how the writes to them went."""

    def __init__(self) -> None:
        self.lives: dict[str, Life] = {}
        """By uid."""
        self.counts: Counter[str] = Counter()
        """How many were acknowledged, cut under way and found done, and so on."""

    def note(self, path: str, uid: str, write: Write) -> Life:
        life = self.lives.setdefault(uid, Life(path, uid))
        assert not life.deleted, f"{path} {uid}: {write} after its deletion"
        known = max((w.revision for w in life.writes), default=0)
        assert not write.revision or write.revision > known, f"{path}: {write} after {known}"
        life.writes.append(write)
        return life

    def of(self, plural: str) -> list[Life]:
        return [life for life in self.lives.values() if f"/{plural}/" in life.path]

    def living(self, plural: str) -> dict[str, Life]:
        """Return what must be there now, by name."""
        return {life.path.rpartition("/")[2]: life for life in self.of(plural) if not life.deleted}


def revision_of(obj: Any) -> int:
    return int(obj["metadata"]["resourceVersion"])


def serial_of(obj: Any) -> str:
    return str(obj["metadata"].get("annotations", {}).get(SERIAL, ""))


def digest(obj: Any) -> str:
    """Return what two equal versions of an object have in common, and no others."""
    content = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
