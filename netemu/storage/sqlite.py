"""The store in one SQLite file: the default.

The file is in WAL mode with `synchronous=NORMAL`: a committed write survives the
death of the process at once, and that of the host a second later (`flushing.py`): what
a crash of the host takes is the end of the log, never its middle. A write is one INSERT
in one transaction (about 20 µs), made in the event loop's thread: handing it to another
would cost more than it takes. The revision is the row's id. The connection holds the
file's lock for as long as it is open, so a second process that opens it is refused, and
the index of present keys can be kept in memory.
"""

from __future__ import annotations

import asyncio
import errno
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from netemu.errors import HostError
from netemu.storage.contract import Change, Compacted, Entry, RevisionConflict
from netemu.storage.flushing import Flushing
from netemu.storage.watching import Bell, follow

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS change (
    revision INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    deleted INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
"""
_PRESENT = """
SELECT key, max(revision), deleted FROM change GROUP BY key
"""
_PRESENT_AT = """
SELECT key, value, revision FROM change WHERE NOT deleted AND revision IN (
    SELECT max(revision) FROM change
    WHERE revision <= ? AND substr(key, 1, ?) = ? GROUP BY key
) ORDER BY key
"""
_INSERT = "INSERT INTO change (revision, key, value, deleted) VALUES (?, ?, ?, ?)"
_MARK = (
    "INSERT INTO mark VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET revision = excluded.revision"
)
_COMPACTED_AT_ONCE = 500
_WAL_PAGES = 16_000
"""Folding the WAL into the file waits for the disk. `compact` does it in quiet times; in a
burst of writes it happens only after 64 MB."""


class SqliteStore:
    """Keeps the contract of `Store` in a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = _open(path)
        self._revisions: dict[str, int] = {}
        for key, revision, deleted in self._database.execute(_PRESENT):
            if not deleted:
                self._revisions[key] = revision
        self._compacted = self._mark("compacted")
        # Compaction may have removed the newest row (a deletion's): its number stays taken.
        self._revision = max(self._mark("newest"), self._newest_row())
        self._bell = Bell()
        self._flushing = Flushing(path.with_name(f"{path.name}-wal"))

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def compacted(self) -> int:
        return self._compacted

    async def get(self, key: str) -> Entry | None:
        revision = self._revisions.get(key)
        return None if revision is None else self._entry(key, revision)

    async def list(self, prefix: str) -> list[Entry]:
        keys = sorted(key for key in self._revisions if key.startswith(prefix))
        return [self._entry(key, self._revisions[key]) for key in keys]

    async def list_at(self, prefix: str, revision: int) -> Sequence[Entry]:
        if revision < self._compacted:
            raise Compacted(revision, oldest=self._compacted)
        rows = self._database.execute(_PRESENT_AT, (revision, len(prefix), prefix))
        return [Entry(key, value, number) for key, value, number in rows]

    async def put(self, key: str, value: bytes, *, expected: int) -> int:
        self._expect(key, expected)
        self._record(key, value, deleted=False)
        self._revisions[key] = self._revision
        return self._revision

    async def delete(self, key: str, value: bytes, *, expected: int) -> int:
        self._expect(key, expected)
        self._record(key, value, deleted=True)
        self._revisions.pop(key, None)
        return self._revision

    async def changes(self, *, after: int, prefix: str = "") -> Sequence[Change]:
        if after < self._compacted:
            raise Compacted(after, oldest=self._compacted)
        rows = self._database.execute(
            "SELECT revision, key, value, deleted FROM change WHERE revision > ?"
            " AND substr(key, 1, ?) = ? ORDER BY revision",
            (after, len(prefix), prefix),
        )
        return [Change(revision, key, value, bool(gone)) for revision, key, value, gone in rows]

    def watch(self, *, after: int, prefix: str = "") -> AsyncIterator[Change]:
        return follow(
            lambda seen: self.changes(after=seen, prefix=prefix),
            self._bell,
            after=after,
            newest=lambda: self._revision,
        )

    async def compact(self, revision: int) -> None:
        revision = min(revision, self._revision)
        try:
            while self._compacted < revision:
                self._compact(min(revision, self._compacted + _COMPACTED_AT_ONCE))
                await asyncio.sleep(0)  # Others have their turn.
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:  # A full disk, most likely: there will be another time.
            raise _refusal(error, "compacting", self._path) from error

    def _compact(self, revision: int) -> None:
        stale = [(number,) for number in self._stale(revision)]
        with self._database:
            self._database.execute("BEGIN")
            self._database.executemany("DELETE FROM change WHERE revision = ?", stale)
            self._database.execute(_MARK, ("compacted", revision))
            self._database.execute(_MARK, ("newest", self._revision))
        self._compacted = revision

    def _stale(self, revision: int) -> Iterator[int]:
        """Yield the changes that do not tell what was present at a revision."""
        rows = self._database.execute(
            "SELECT revision, key, deleted FROM change WHERE revision <= ? ORDER BY revision DESC",
            (revision,),
        )
        later: set[str] = set()
        for number, key, deleted in rows:
            if deleted or key in later:
                yield number
            later.add(key)

    async def close(self) -> None:
        self._bell.close()
        self._flushing.close()
        self._database.close()

    def _expect(self, key: str, expected: int) -> None:
        actual = self._revisions.get(key, 0)
        if actual != expected:
            raise RevisionConflict(key, expected=expected, actual=actual)

    def _record(self, key: str, value: bytes, *, deleted: bool) -> None:
        revision = self._revision + 1
        try:
            self._database.execute(_INSERT, (revision, key, value, deleted))
        except sqlite3.Error as error:
            raise _refusal(error, f"writing {key}", self._path) from error
        self._revision = revision
        self._flushing.due()
        self._bell.ring()

    def _entry(self, key: str, revision: int) -> Entry:
        row = self._database.execute("SELECT value FROM change WHERE revision = ?", (revision,))
        (value,) = row.fetchone()
        return Entry(key, value, revision)

    def _mark(self, name: str) -> int:
        row = self._database.execute("SELECT revision FROM mark WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def _newest_row(self) -> int:
        (newest,) = self._database.execute("SELECT max(revision) FROM change").fetchone()
        return int(newest or 0)


def _refusal(error: sqlite3.Error, doing: str, path: Path) -> HostError:
    """Say what stood in the way; nothing of it was written."""
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        answer = "no space is left on the disk; nothing was changed"
        return HostError(doing, where=str(path), answer=answer, errno=errno.ENOSPC)
    return HostError(doing, where=str(path), answer=str(error))


def _open(path: Path) -> sqlite3.Connection:
    doing, where = "opening the cluster's store", str(path)
    try:
        # Autocommit: each statement is its own transaction, committed when it returns.
        database = sqlite3.connect(path, isolation_level=None, timeout=0, cached_statements=32)
    except sqlite3.Error as error:
        raise HostError(doing, where=where, answer=str(error)) from error
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version in (0, _SCHEMA_VERSION):
            database.executescript(_SCHEMA)
            # A write, so that the lock is taken now and not at the first real one.
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
    except sqlite3.Error as error:
        database.close()
        in_use = "locked" in str(error)
        answer = "another process is using it" if in_use else str(error)
        raise HostError(doing, where=where, answer=answer) from error
    if version not in (0, _SCHEMA_VERSION):
        database.close()
        answer = f"its format is {version}, this netemu knows {_SCHEMA_VERSION}"
        raise HostError(doing, where=where, answer=answer)
    return database
