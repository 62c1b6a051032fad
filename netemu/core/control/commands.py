"""What a controller wants done, as data.

`reconcile` returns these; the daemon carries them out in order and stops at
the first that fails. What failed comes back to the next `reconcile` of the
same key as `view.last_failure`, so even a failure becomes a plain input.
"""

from __future__ import annotations

import msgspec

from netemu.errors import ApiError
from netemu.model.schema import ApiObject

NORMAL = "Normal"
WARNING = "Warning"


class Say(msgspec.Struct, frozen=True):
    """An event to record. `{name}` and `{error}` stand for what only the outcome tells."""

    about: ApiObject
    type: str
    reason: str
    message: str

    def filled(self, *, name: str = "", error: str = "") -> str:
        return self.message.replace("{name}", name).replace("{error}", error)


class Create(msgspec.Struct, frozen=True):
    object: ApiObject
    done: Say | None = None
    failed: Say | None = None
    only_if_alive: ApiObject | None = None
    """An object that must still exist, read live: nobody creates for the dead."""


class Update(msgspec.Struct, frozen=True):
    """PUT; the object's resourceVersion makes it conditional, a conflict is retried quietly."""

    object: ApiObject
    subresource: str = ""
    done: Say | None = None
    failed: Say | None = None
    only_if_alive: ApiObject | None = None


class Delete(msgspec.Struct, frozen=True):
    """Delete exactly this object (by uid); one that is gone already is a success."""

    object: ApiObject
    grace_period_s: int | None = None
    propagation: str = ""
    done: Say | None = None
    failed: Say | None = None


class Emit(msgspec.Struct, frozen=True):
    say: Say


class Requeue(msgspec.Struct, frozen=True):
    """Look at the same key again later, whatever happens until then."""

    after_s: float


Command = Create | Update | Delete | Emit | Requeue


class Failure(msgspec.Struct, frozen=True):
    """The command that the API server refused last time, and why."""

    command: Command
    error: ApiError
