"""Everything netemu raises on purpose.

NetemuError
├── UserError           the input is wrong; no traceback, exit code 2
├── ApiError            an API reply; carries a Kubernetes reason, code and causes
├── HostError           the kernel or a program said no
│   └── HostBusyError   the same, and worth retrying
└── MissingFacility     the host lacks something; how to get it; exit code 3

Anything else that escapes is a bug, and is allowed to crash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class NetemuError(Exception):
    """What every deliberate error of netemu is."""


class UserError(NetemuError):
    """The input is wrong: what, where, and what would be right, in one sentence."""

    def __init__(self, message: str, *, file: str = "", line: int = 0) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(where + message)
        self.message = message
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status' `details.causes`."""

    reason: str
    message: str
    field: str


class ApiError(NetemuError):
    """A Kubernetes `Status` of failure (kube-api.md, 4.10)."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        group: str = "",
        kind: str = "",
        name: str = "",
        uid: str = "",
        causes: Sequence[Cause] = (),
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.group = group
        self.kind = kind
        self.name = name
        self.uid = uid
        self.causes = tuple(causes)
        self.retry_after_s = retry_after_s

    @property
    def not_found(self) -> bool:
        return self.reason == "NotFound"

    @property
    def conflict(self) -> bool:
        return self.reason == "Conflict"

    @property
    def already_exists(self) -> bool:
        return self.reason == "AlreadyExists"

    @property
    def expired(self) -> bool:
        """The revision asked for is compacted: list again."""
        return self.reason in ("Expired", "Gone")


class HostError(NetemuError):
    """What was attempted, where, and what the kernel or the program answered."""

    def __init__(self, doing: str, *, where: str = "", answer: str = "", errno: int = 0) -> None:
        place = f" in {where}" if where else ""
        said = f": {answer.strip()}" if answer else ""
        super().__init__(f"{doing}{place}{said}")
        self.doing = doing
        self.where = where
        self.answer = answer
        self.errno = errno


class HostBusyError(HostError):
    """The same, and worth retrying."""


class MissingFacility(NetemuError):  # noqa: N818 - the field's word, not an "Error".
    """The host lacks something: what, why it matters, how to get it."""

    def __init__(self, what: str, *, why: str, remedy: str) -> None:
        super().__init__(f"{what} is missing: {why}. {remedy}")
        self.what = what
        self.why = why
        self.remedy = remedy
