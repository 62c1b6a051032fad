"""The versioned key-value store under the API server, as a contract.

There is one revision counter. Each write gets the next revision and leaves one row
of history, so that a watch can start at any revision that is not compacted. A write
names the revision that it expects the key to have: whoever comes second loses. What
a write has returned is committed; what it has not is not there. A store in this process
writes in one step, which no cancellation can come into.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from netemu.errors import NetemuError


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's present value."""

    key: str
    value: bytes
    revision: int
    """The revision of its last write."""


@dataclass(frozen=True, slots=True)
class Change:
    """One row of history."""

    revision: int
    key: str
    value: bytes
    """What was written, or, for a deletion, the last words of the key."""
    deleted: bool = False


class RevisionConflict(NetemuError):  # noqa: N818 - says what happened, as `ApiError.conflict` does.
    """The key does not have the revision that the writer expected."""

    def __init__(self, key: str, *, expected: int, actual: int) -> None:
        super().__init__(f"{key} is at revision {actual}, not {expected}")
        self.key = key
        self.expected = expected
        self.actual = actual
        """0: there is no such key."""


class Compacted(NetemuError):  # noqa: N818
    """History before `oldest` is gone: list again."""

    def __init__(self, revision: int, *, oldest: int) -> None:
        super().__init__(f"revision {revision} is compacted, history begins after {oldest}")
        self.revision = revision
        self.oldest = oldest


class Store(Protocol):
    """What every store keeps, be it a file, memory or a server."""

    @property
    def revision(self) -> int:
        """The revision of the last write; 0 before the first."""

    @property
    def compacted(self) -> int:
        """Changes up to this revision are forgotten."""

    async def get(self, key: str) -> Entry | None: ...

    async def list(self, prefix: str) -> list[Entry]:
        """Return the entries below `prefix`, ordered by key."""

    async def list_at(self, prefix: str, revision: int) -> Sequence[Entry]:
        """Return the entries below `prefix` as they were at a revision. Raises Compacted."""

    async def put(self, key: str, value: bytes, *, expected: int) -> int:
        """Write, if the key is at `expected` (0: absent); return the new revision.

        Raises RevisionConflict.
        """

    async def delete(self, key: str, value: bytes, *, expected: int) -> int:
        """Delete the key if it is at `expected`, leaving `value` as its last words.

        Raises RevisionConflict.
        """

    async def changes(self, *, after: int, prefix: str = "") -> Sequence[Change]:
        """Return what happened after a revision, oldest first. Raises Compacted."""

    def watch(self, *, after: int, prefix: str = "") -> AsyncIterator[Change]:
        """Yield what happened after a revision and goes on happening. Raises Compacted."""

    async def compact(self, revision: int) -> None:
        """Forget the changes up to `revision`, but for what each key's value was then."""

    async def close(self) -> None:
        """End all watches and let go of the file."""
