"""The store in memory: for tests and for clusters that need not outlive the daemon."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence

from netemu.storage.contract import Change, Compacted, Entry, RevisionConflict
from netemu.storage.watching import Bell, follow


class MemoryStore:
    """Keeps the contract of `Store` for as long as the process lives."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._history: list[Change] = []
        self._ancient: dict[str, Entry] = {}
        """What was present when the history began."""
        self._revision = 0
        self._compacted = 0
        self._bell = Bell()

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def compacted(self) -> int:
        return self._compacted

    async def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    async def list(self, prefix: str) -> list[Entry]:
        return [self._entries[key] for key in sorted(self._entries) if key.startswith(prefix)]

    async def list_at(self, prefix: str, revision: int) -> Sequence[Entry]:
        if revision < self._compacted:
            raise Compacted(revision, oldest=self._compacted)
        end = bisect_right(self._history, revision, key=lambda change: change.revision)
        present = self._after(self._history[:end])
        return [present[key] for key in sorted(present) if key.startswith(prefix)]

    async def put(self, key: str, value: bytes, *, expected: int) -> int:
        self._expect(key, expected)
        self._record(key, value, deleted=False)
        self._entries[key] = Entry(key, value, self._revision)
        return self._revision

    async def delete(self, key: str, value: bytes, *, expected: int) -> int:
        self._expect(key, expected)
        self._record(key, value, deleted=True)
        self._entries.pop(key, None)
        return self._revision

    async def changes(self, *, after: int, prefix: str = "") -> Sequence[Change]:
        if after < self._compacted:
            raise Compacted(after, oldest=self._compacted)
        start = bisect_right(self._history, after, key=lambda change: change.revision)
        return [change for change in self._history[start:] if change.key.startswith(prefix)]

    def watch(self, *, after: int, prefix: str = "") -> AsyncIterator[Change]:
        return follow(
            lambda seen: self.changes(after=seen, prefix=prefix),
            self._bell,
            after=after,
            newest=lambda: self._revision,
        )

    async def compact(self, revision: int) -> None:
        self._compacted = max(self._compacted, min(revision, self._revision))
        kept = bisect_right(self._history, self._compacted, key=lambda change: change.revision)
        self._ancient = self._after(self._history[:kept])
        del self._history[:kept]

    async def close(self) -> None:
        self._bell.close()

    def _after(self, changes: Sequence[Change]) -> dict[str, Entry]:
        """Return what was present after the first `changes` of the history."""
        present = dict(self._ancient)
        for change in changes:
            if change.deleted:
                present.pop(change.key, None)
            else:
                present[change.key] = Entry(change.key, change.value, change.revision)
        return present

    def _expect(self, key: str, expected: int) -> None:
        entry = self._entries.get(key)
        actual = entry.revision if entry else 0
        if actual != expected:
            raise RevisionConflict(key, expected=expected, actual=actual)

    def _record(self, key: str, value: bytes, *, deleted: bool) -> None:
        self._revision += 1
        self._history.append(Change(self._revision, key, value, deleted))
        self._bell.ring()
