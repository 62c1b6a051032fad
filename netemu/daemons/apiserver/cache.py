"""All objects of one resource, in memory: what every read is answered from.

The cache is not a copy that may lag: it is changed in the same step as the store, by
the one writer there is. Next to the objects it keeps their recent past, so that a watch
can begin at a revision a little behind.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator

from netemu.daemons.apiserver.refusals import too_old
from netemu.daemons.apiserver.selection import Selection
from netemu.daemons.apiserver.watching import Happening, Kept, Watcher
from netemu.model.kinds import Resource

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name: also the order of lists."""

_REMEMBERED_S = 60.0
_REMEMBERED_LEAST = 256
_REMEMBERED_MOST = 1024
"""Each is a whole object. Who begins further back is served from the store."""


class ResourceCache:
    """The present and the recent past of one resource."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._kept: dict[Key, Kept] = {}
        self._keys: list[Key] = []
        self._past: deque[Happening] = deque()
        self._forgotten = 0
        """The past is whole after this revision."""
        self._watchers: dict[Watcher, None] = {}

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def forgotten(self) -> int:
        """The past is known here only behind this revision."""
        return self._forgotten

    @property
    def last_change(self) -> int:
        """The present is what it has been since this revision."""
        return self._past[-1].revision if self._past else self._forgotten

    @property
    def watchers(self) -> int:
        return len(self._watchers)

    def get(self, namespace: str, name: str) -> Kept | None:
        return self._kept.get((namespace, name))

    def select(self, selection: Selection, *, after: Key | None = None) -> Iterator[Kept]:
        """Yield what is selected, by namespace and name, from behind the key `after` on."""
        if selection.name:
            keys = [key for key in self._named(selection) if key in self._kept]
        else:
            keys = self._range(selection.namespace)
        if after is not None:
            keys = keys[bisect_right(keys, after) :]
        if not selection.by_content:
            yield from map(self._kept.__getitem__, keys)
            return
        for key in keys:
            kept = self._kept[key]
            if selection.holds_content(kept.obj):
                yield kept

    def load(self, kept: Kept) -> None:
        """Take in an object from the store, at start."""
        key = _key(kept)
        self._kept[key] = kept
        insort(self._keys, key)

    def forget_before(self, revision: int) -> None:
        """The past up to this revision is not known here."""
        self._forgotten = revision

    def apply(self, happening: Happening) -> None:
        """Take in a write, and tell the watchers."""
        key = _key(happening.new)
        if happening.deleted:
            if self._kept.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]
        else:
            if key not in self._kept:
                insort(self._keys, key)
            self._kept[key] = happening.new
        self._remember(happening)
        for watcher in list(self._watchers):
            watcher.offer(happening)

    def watch(
        self,
        selection: Selection,
        *,
        after: int,
        recalled: Iterable[Happening] = (),
        known: int = 0,
    ) -> Watcher:
        """Open a watch that begins behind a revision. ApiError 410 if that is forgotten.

        `recalled` is what the caller knows to have happened up to the revision `known`.
        """
        if max(after, known) < self._forgotten:
            raise too_old(after, self._forgotten)
        watcher = self._open(selection, after)
        for happening in (*recalled, *self._after(max(after, known))):
            watcher.offer(happening)
        return watcher

    def watch_from_now(self, selection: Selection) -> Watcher:
        return self._open(selection, 0)

    def close(self) -> None:
        """End all watches."""
        for watcher in list(self._watchers):
            watcher.close()

    def _open(self, selection: Selection, after: int) -> Watcher:
        watcher = Watcher(selection, after=after, leave=self._leave)
        self._watchers[watcher] = None
        return watcher

    def _leave(self, watcher: Watcher) -> None:
        self._watchers.pop(watcher, None)

    def _named(self, selection: Selection) -> Iterator[Key]:
        if selection.namespace or not self.resource.namespaced:
            yield selection.namespace, selection.name
        else:  # The same name in any namespace.
            yield from (key for key in self._keys if key[1] == selection.name)

    def _range(self, namespace: str) -> list[Key]:
        if not namespace:
            return self._keys.copy()
        first = bisect_left(self._keys, (namespace, ""))
        return self._keys[first : bisect_left(self._keys, (namespace + "\0", ""))]

    def _remember(self, happening: Happening) -> None:
        self._past.append(happening)
        self.forget_old(happening.seconds)

    def forget_old(self, now: float) -> None:
        """Let go of the past that is too old at this time of the loop, or too much."""
        past, horizon = self._past, now - _REMEMBERED_S
        while len(past) > _REMEMBERED_MOST or (
            len(past) > _REMEMBERED_LEAST and past[0].seconds < horizon
        ):
            self._forgotten = past.popleft().revision

    def _after(self, revision: int) -> list[Happening]:
        # From the newest backwards: watches rarely begin far back.
        found = []
        for happening in reversed(self._past):
            if happening.revision <= revision:
                break
            found.append(happening)
        found.reverse()
        return found


def _key(kept: Kept) -> Key:
    return kept.obj.metadata.namespace, kept.obj.metadata.name
