"""A world in memory: a controller's view of it, and its commands carried out on it."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from pathlib import PurePosixPath

import pytest
from msgspec.structs import replace

from netemu.core.control.commands import (
    Create,
    Delete,
    Emit,
    Failure,
    Requeue,
    Update,
)
from netemu.core.control.contract import Environment, Timings
from netemu.errors import ApiError
from netemu.model.clock import format_time
from netemu.model.keys import key_of
from netemu.model.schema import copy_of
from netemu.model.settings import ClusterSettings, NodeSettings


def _settings():
    node = NodeSettings(
        name="control-plane", address=IPv4Address("198.18.0.11"), control_plane=True
    )
    return ClusterSettings(
        name="test",
        underlay=IPv4Network("198.18.0.0/24"),
        nodes=(node,),
        state_dir=PurePosixPath("/nowhere"),
        run_dir=PurePosixPath("/nowhere"),
    )


class World:
    """Keeps `View`, and applies what is decided as an API server would."""

    def __init__(self):
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.environment = Environment(settings=_settings(), ca_certificate="the CA")
        self.last_failure = None
        self.objects = defaultdict(dict)
        self.hidden = defaultdict(dict)  # What only a live read finds.
        self.said = []
        self.requeue_s = None
        self._numbers = count(1)
        self._asked = {}

    def set_timings(self, **timings):
        self.environment = replace(self.environment, timings=Timings(**timings))

    def pass_time(self, seconds):
        self.now += timedelta(seconds=seconds)

    # --- View ---

    def get(self, kind, key):
        return self.objects[kind].get(key)

    def all(self, kind, namespace=None):
        return [
            obj
            for key, obj in sorted(self.objects[kind].items())
            if namespace is None or key.namespace == namespace
        ]

    def by(self, index, value):
        return [obj for obj in self.all(index.kind) if value in index.values(obj)]

    def elapsed_s(self, tag):
        return (self.now - self._asked.setdefault(tag, self.now)).total_seconds()

    def looked_up(self, kind, key):
        return self.hidden[kind].get(key) or self.get(kind, key)

    def inventory(self, kind, namespace):
        return self.all(kind, namespace)

    # --- what happens to it ---

    def add(self, obj):
        """Store a new object, named and numbered."""
        meta = obj.metadata
        if not meta.name:
            meta.name = f"{meta.generate_name}{next(self._numbers)}"
        meta.uid = meta.uid or f"uid-{meta.name}-{next(self._numbers)}"
        meta.creation_timestamp = meta.creation_timestamp or format_time(self.now)
        meta.generation = meta.generation or 1
        meta.resource_version = str(next(self._numbers))
        self.objects[type(obj)][key_of(obj)] = obj
        return obj

    def change(self, obj, **status):
        """Set fields of an object's status."""
        changed = copy_of(self.objects[type(obj)][key_of(obj)])
        for name, value in status.items():
            setattr(changed.status, name, value)
        return self.put(changed)

    def put(self, obj):
        obj.metadata.resource_version = str(next(self._numbers))
        self.objects[type(obj)][key_of(obj)] = obj
        return obj

    def remove(self, obj):
        self.objects[type(obj)].pop(key_of(obj), None)

    def decide(self, controller, key):
        """The commands for a key, not carried out."""
        return list(controller.reconcile(key, self))

    def step(self, controller, key):
        """Decide once and carry it out; what was decided comes back."""
        commands = self.decide(controller, key)
        self.requeue_s = None
        for command in commands:
            self._carry_out(command)
        return commands

    def settle(self, controller, key, most=50):
        """Until nothing is left to do."""
        for _ in range(most):
            if not [c for c in self.step(controller, key) if not isinstance(c, Requeue | Emit)]:
                return
        raise AssertionError(f"{controller.name} never comes to rest")

    def refuse(self, command, reason, message, code=403):
        self.last_failure = Failure(command, ApiError(code, reason, message))

    def _carry_out(self, command):
        match command:
            case Create():
                self._say(command.done, self.add(copy_of(command.object)))
            case Update():
                self._update(command)
                self._say(command.done, command.object)
            case Delete():
                self._delete(command)
                self._say(command.done, command.object)
            case Emit():
                self.said.append(command.say)
            case Requeue():
                self.requeue_s = min(command.after_s, self.requeue_s or command.after_s)

    def _say(self, say, obj):
        if say is not None:
            self.said.append(replace(say, message=say.filled(name=obj.metadata.name)))

    def _update(self, command):
        old = self.objects[type(command.object)][key_of(command.object)]
        new = copy_of(command.object)
        if command.subresource == "status":
            kept = copy_of(old)
            kept.status = new.status
            new = kept
        elif hasattr(old, "status"):
            new.status = copy_of(old.status)
            if hasattr(old, "spec") and old.spec != new.spec:
                new.metadata.generation = old.metadata.generation + 1
        meta = new.metadata
        if meta.deletion_timestamp and not meta.finalizers and command.subresource != "status":
            self.remove(new)
        else:
            self.put(new)

    def _delete(self, command):
        obj = copy_of(self.objects[type(command.object)][key_of(command.object)])
        meta = obj.metadata
        if command.propagation == "Foreground" and "foregroundDeletion" not in meta.finalizers:
            meta.finalizers.append("foregroundDeletion")
        if meta.finalizers:
            meta.deletion_timestamp = format_time(self.now)
            self.put(obj)
        else:
            self.remove(obj)

    @property
    def messages(self):
        return [say.message for say in self.said]


@pytest.fixture
def world():
    return World()
