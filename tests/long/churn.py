"""The churn: writers that create, replace, patch and delete, and keep the ledger.

Each writer has objects of its own, so it knows what they must be. It goes by the rules
of a careful user: a lost connection means looking whether the write is there, a
conflict means reading again, and nothing else is ever tried twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable
from typing import Any

from long.api_user import ApiUser, Lost, Refused, Unreachable
from long.ledger import SERIAL, Ledger, Life, Write, digest, revision_of, serial_of

NAMESPACE = "churn"
_AGAIN_S = 0.03
_RUNS_WITHIN_S = 60.0


class Writer:
    """One user with objects of one kind."""

    plural = ""
    group = "api/v1"
    most = 6

    def __init__(self, name: str, *, user: ApiUser, ledger: Ledger, seed: str, rate: float) -> None:
        self.name = name
        self.user = user
        self.ledger = ledger
        self.random = random.Random(f"{seed}/{name}")
        self.mine: dict[str, Life] = {}
        self._pause_s = 1 / rate
        self._numbers = itertools.count(1)

    async def run(self, *, hurry: asyncio.Event, stop: asyncio.Event) -> None:
        """Write now and then; in a hurry one write after the other, so that a kill hits one."""
        while not stop.is_set():
            await self.step()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(hurry.wait(), self.random.uniform(0, 2 * self._pause_s))

    async def step(self) -> None:
        """Do one of the things that can be done now."""
        names = sorted(self.mine)
        if not names or (len(names) < self.most and self.random.random() < 0.25):
            await self.create(f"{self.name}-{next(self._numbers)}")
            return
        name = self.random.choice(names)
        does = self.random.choices(
            (self.replace, self.patch, self.delete), weights=(4, 4, 1 if len(names) > 2 else 0)
        )[0]
        await does(name)

    # What the kinds differ in.

    def content(self, name: str) -> dict[str, Any]:
        raise NotImplementedError

    def change(self, obj: dict[str, Any]) -> None:
        """Change something that a replacement may change."""

    def merge(self) -> dict[str, Any]:
        return {}

    # Writes.

    async def create(self, name: str) -> Life:
        body = self.content(name) | {"metadata": {"name": name}}
        serial = self._stamp(body)
        body["metadata"]["labels"] = {"colour": self._colour()}

        async def look() -> Any:
            found = await self.user.read(self.path(name))
            return found if found is not None and serial_of(found) == serial else None

        made = await self._write("POST", self.path(), body, serial, look)
        if made is None:
            return await self.create(name)
        self.mine[name] = self._noted("POST", name, serial, made)
        return self.mine[name]

    async def replace(self, name: str) -> None:
        obj = await self.user.read(self.path(name))
        assert obj is not None, f"{self.path(name)} is gone"
        assert serial_of(obj) == self.mine[name].serial, f"{self.path(name)} is not as written"
        self.change(obj)
        obj["metadata"]["labels"]["colour"] = self._colour()
        await self._change("PUT", name, obj)

    async def patch(self, name: str) -> None:
        await self._change(
            "PATCH", name, self.merge() | {"metadata": {"labels": {"colour": self._colour()}}}
        )

    async def _change(self, verb: str, name: str, body: dict[str, Any]) -> None:
        serial = self._stamp(body)

        async def look() -> Any:
            found = await self.user.read(self.path(name))
            assert found is not None, f"{self.path(name)} is gone"
            return found if serial_of(found) == serial else None

        done = await self._write(verb, self.path(name), body, serial, look)
        if done is not None:
            self._noted(verb, name, serial, done)

    async def delete(self, name: str) -> None:
        life = self.mine.pop(name)

        async def look() -> Any:
            found = await self.user.read(self.path(name))
            gone = found is None or found["metadata"].get("deletionTimestamp")
            return {} if gone else None

        serial = f"{self.name}:{next(self._numbers)}"
        while await self._write("DELETE", self.path(name), None, serial, look) is None:
            pass
        self.ledger.note(self.path(name), life.uid, Write("DELETE", serial))

    async def _write(
        self, verb: str, path: str, body: Any, serial: str, look: Callable[[], Any]
    ) -> Any:
        """Return what was written, None if it was not; its connection may be lost."""
        counts = self.ledger.counts
        try:
            answer = await self.user.call(verb, path, body, patch=verb == "PATCH")
        except Refused as refusal:
            # The kind's controller was faster; nobody else writes to what has none.
            if refusal.status != 409 or verb != "PUT" or self.plural == "configmaps":
                raise
            counts["conflicts"] += 1
            return None
        except Lost as lost:
            await asyncio.sleep(_AGAIN_S)
            found = await look()
            how = "not connected" if isinstance(lost, Unreachable) else "cut under way"
            counts[f"{how}, {'done' if found is not None else 'not done'}"] += 1
            return found
        counts["acknowledged"] += 1
        return answer

    def _noted(self, verb: str, name: str, serial: str, obj: Any) -> Life:
        # What was found later may have been written to since by a controller: then its
        # content is no less the writer's, and its digest is of the version found.
        write = Write(verb, serial, revision_of(obj), digest(obj))
        return self.ledger.note(self.path(name), obj["metadata"]["uid"], write)

    def _stamp(self, body: dict[str, Any]) -> str:
        serial = f"{self.name}:{next(self._numbers)}"
        body["metadata"].setdefault("annotations", {})[SERIAL] = serial
        return serial

    def _colour(self) -> str:
        return self.random.choice(("red", "blue"))

    def path(self, name: str = "") -> str:
        folder = f"/{self.group}/namespaces/{NAMESPACE}/{self.plural}"
        return f"{folder}/{name}" if name else folder


class ConfigMaps(Writer):
    plural = "configmaps"

    def content(self, name: str) -> dict[str, Any]:
        return {"data": {"text": self._text()}}

    def change(self, obj: dict[str, Any]) -> None:
        obj["data"]["text"] = self._text()

    def merge(self) -> dict[str, Any]:
        return {"data": {"more": self._text()}}

    def _text(self) -> str:
        return "x" * self.random.choice((3, 300, 3000))


class Services(Writer):
    plural = "services"
    most = 4

    def content(self, name: str) -> dict[str, Any]:
        ports = [{"port": 80, "targetPort": 8080}]
        return {"spec": {"selector": {"app": "web"}, "ports": ports}}

    def change(self, obj: dict[str, Any]) -> None:
        obj["spec"]["ports"][0]["port"] = self.random.randrange(1, 60000)


class Deployments(Writer):
    plural = "deployments"
    group = "apis/apps/v1"
    most = 2

    def content(self, name: str) -> dict[str, Any]:
        labels = {"made-by": name}
        spec = {
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "a", "image": "busybox", "command": ["sleep", "infinity"]}],
        }
        template = {"metadata": {"labels": labels}, "spec": spec}
        return {"spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}}

    def change(self, obj: dict[str, Any]) -> None:
        obj["spec"]["replicas"] = self.random.randrange(3)

    def merge(self) -> dict[str, Any]:
        return {"spec": {"replicas": self.random.randrange(3)}}


class Pods(Writer):
    """Pods that come and go, and that each must run in time, whoever dies meanwhile."""

    plural = "pods"
    most = 2

    def content(self, name: str) -> dict[str, Any]:
        container = {"name": "a", "image": "busybox", "command": ["sleep", "infinity"]}
        return {"spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}

    async def step(self) -> None:
        life = await self.create(f"{self.name}-{next(self._numbers)}")
        name = life.path.rpartition("/")[2]
        await self._until(name, lambda pod: pod and pod["status"].get("phase") == "Running")
        await self.patch(name)
        await self.delete(name)
        await self._until(name, lambda pod: pod is None)

    async def _until(self, name: str, holds: Callable[[Any], Any]) -> None:
        found: Any = None
        try:
            async with asyncio.timeout(_RUNS_WITHIN_S):
                while not holds(found := await self.user.read(self.path(name))):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            status = found and found["status"]
            raise AssertionError(f"pod {name} waits for {_RUNS_WITHIN_S:g} s: {status}") from None


WRITERS: dict[str, tuple[type[Writer], float]] = {
    "alice": (ConfigMaps, 6.0),
    "bob": (ConfigMaps, 6.0),
    "carol": (Services, 2.0),
    "dave": (Deployments, 1.0),
    "erin": (Pods, 1.0),
}
"""Each with so many writes a second."""
