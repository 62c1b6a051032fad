"""What is on disk for the next zygote, and for whoever cleans up after a crash.

One file for each sandbox and container, in the run directory: pids mean nothing
after a reboot. Specifications live here alone, not in the zygote's memory, which
every container inherits a copy of: they hold the environments of others.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from netemu.model.runtime import ContainerSpec, ContainerState, SandboxSpec, SandboxState


class SandboxRecord(msgspec.Struct, kw_only=True):
    spec: SandboxSpec
    state: SandboxState


class ContainerRecord(msgspec.Struct, kw_only=True):
    spec: ContainerSpec
    state: ContainerState
    pid_start: int
    input_holder: int = 0
    """The process that keeps its input open, and when that one was started."""
    input_holder_start: int = 0


_Record = TypeVar("_Record", SandboxRecord, ContainerRecord)


def file_name(identity: str) -> str:
    """Return a file name for an id, which may hold slashes (`node/worker-1`)."""
    return identity.replace("%", "%25").replace("/", "%2F")


class Records:
    """The folder of one cluster's records."""

    def __init__(self, run_dir: str) -> None:
        self._folder = f"{run_dir}/records"
        for kind in ("sandboxes", "containers"):
            os.makedirs(f"{self._folder}/{kind}", mode=0o700, exist_ok=True)

    def group_name(self, cluster: str, state_dir: str) -> str:
        """Return a name for the cluster's cgroup that nobody else has.

        Cgroups are the machine's, clusters may have the same name in two mount namespaces:
        they differ in their folders. A folder may be lost before the group is removed.
        """
        path = f"{self._folder}/cgroup"
        with contextlib.suppress(FileNotFoundError), open(path, encoding="ascii") as file:
            if name := file.read():
                return name
        os.makedirs(state_dir, mode=0o700, exist_ok=True)
        folder = os.stat(state_dir)
        name = f"{cluster}.{folder.st_dev:x}-{folder.st_ino:x}"
        with open(path, "w", encoding="ascii") as file:
            file.write(name)
        return name

    def save(self, record: SandboxRecord | ContainerRecord) -> None:
        path = self._path(record)
        fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        # All of it or an error: half a record would be a process that nobody knows.
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.msgpack.encode(record))
        os.rename(f"{path}.new", path)

    def container(self, identity: str) -> ContainerRecord:
        """Return one container's record; FileNotFoundError if there is none."""
        path = f"{self._folder}/containers/{file_name(identity)}"
        with open(path, "rb") as file:
            return msgspec.msgpack.decode(file.read(), type=ContainerRecord)

    def forget_sandbox(self, identity: str) -> None:
        self._unlink(f"{self._folder}/sandboxes/{file_name(identity)}")

    def forget_container(self, identity: str) -> None:
        self._unlink(f"{self._folder}/containers/{file_name(identity)}")

    def sandboxes(self) -> Iterator[SandboxRecord]:
        return _load(f"{self._folder}/sandboxes", SandboxRecord)

    def containers(self) -> Iterator[ContainerRecord]:
        return _load(f"{self._folder}/containers", ContainerRecord)

    def remove(self) -> None:
        """Remove the folder; its records are gone one by one before."""
        for kind in ("sandboxes", "containers"):
            for entry in os.scandir(f"{self._folder}/{kind}"):
                self._unlink(entry.path)
            os.rmdir(f"{self._folder}/{kind}")
        self._unlink(f"{self._folder}/cgroup")
        os.rmdir(self._folder)

    def _path(self, record: SandboxRecord | ContainerRecord) -> str:
        kind = "sandboxes" if isinstance(record, SandboxRecord) else "containers"
        return f"{self._folder}/{kind}/{file_name(record.spec.id)}"

    def _unlink(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _load(folder: str, kind: type[_Record]) -> Iterator[_Record]:
    with os.scandir(folder) as entries:
        names = [entry.path for entry in entries if not entry.name.endswith(".new")]
    for name in names:
        # Others may look while the zygote forgets.
        with (
            contextlib.suppress(msgspec.DecodeError, FileNotFoundError),
            open(name, "rb") as file,
        ):
            yield msgspec.msgpack.decode(file.read(), type=kind)
