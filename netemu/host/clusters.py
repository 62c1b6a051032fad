"""The clusters of this host: their folders, their settings, their daemons.

    /var/lib/netemu/NAME   settings.json, the store, the CA, kubeconfig, logs
    /run/netemu/NAME       daemon.json, lock, the zygote's socket, container roots

A cluster exists when its settings are there; it runs when the process that
daemon.json names is alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from netemu.errors import HostBusyError, UserError
from netemu.host.processes import ProcessId, boot_id
from netemu.model.settings import ClusterSettings

STATE_ROOT = Path("/var/lib/netemu")
RUN_ROOT = Path("/run/netemu")
_LOCKS = ".locks"


class DaemonRecord(msgspec.Struct, kw_only=True):
    """Who runs the cluster, in this boot."""

    pid: int
    start: int
    boot: str
    ready: bool = False
    api_url: str = ""
    stages: list[tuple[str, float]] = []
    """What was reached when, in seconds since the command was typed."""

    @property
    def process(self) -> ProcessId:
        return ProcessId(self.pid, self.start)


@dataclass(frozen=True, slots=True)
class ClusterFolders:
    """Where one cluster's files are."""

    name: str

    @property
    def state(self) -> Path:
        return STATE_ROOT / self.name

    @property
    def run(self) -> Path:
        return RUN_ROOT / self.name

    @property
    def settings(self) -> Path:
        return self.state / "settings.json"

    @property
    def kubeconfig(self) -> Path:
        return self.state / "kubeconfig"

    @property
    def daemon_log(self) -> Path:
        return self.state / "log" / "daemon.log"

    @property
    def daemon_record(self) -> Path:
        return self.run / "daemon.json"


def exists(name: str) -> bool:
    return ClusterFolders(name).settings.exists()


def known() -> list[str]:
    """Return every cluster that has left a trace in either folder, sorted."""
    found: set[str] = set()
    for root in (STATE_ROOT, RUN_ROOT):
        with contextlib.suppress(FileNotFoundError):
            found |= {entry.name for entry in os.scandir(root) if entry.is_dir()}
    return sorted(name for name in found if not name.startswith("."))


def running() -> list[str]:
    return [name for name in known() if daemon_of(name) is not None]


def daemon_of(name: str) -> DaemonRecord | None:
    """Return the record of the cluster's daemon if that very process is alive."""
    try:
        data = ClusterFolders(name).daemon_record.read_bytes()
        record = msgspec.json.decode(data, type=DaemonRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if record.boot != boot_id() or not record.process.alive:
        return None
    return record


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that a reader sees the old or the new one, never half of it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
    part.replace(path)


def make_folders(name: str) -> ClusterFolders:
    """Make the cluster's folders; only root may look into them."""
    folders = ClusterFolders(name)
    for folder in (folders.state, folders.run):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folders.daemon_log.parent.mkdir(exist_ok=True, mode=0o700)
    return folders


def save_settings(settings: ClusterSettings) -> None:
    write_atomically(
        ClusterFolders(settings.name).settings,
        msgspec.json.format(msgspec.json.encode(settings, enc_hook=str)) + b"\n",
    )


def load_settings(name: str) -> ClusterSettings:
    """Return the settings a cluster was made with; UserError if there is none."""
    path = ClusterFolders(name).settings
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        others = ", ".join(known())
        hint = f"there are: {others}" if others else "there is none; 'netemu up' makes one"
        raise UserError(f'no cluster named "{name}": {hint}') from None
    return msgspec.json.decode(data, type=ClusterSettings, dec_hook=_decode_field)


def _decode_field(type_: type, value: Any) -> Any:
    """Addresses and paths are text on disk."""
    if type_ in (IPv4Address, IPv4Network, PurePosixPath):
        return type_(value)
    raise NotImplementedError(type_)


def remove_folders(name: str, *, keep_logs: bool) -> None:
    """Remove what `make_folders` made. Gone already is success."""
    folders = ClusterFolders(name)
    shutil.rmtree(folders.run, ignore_errors=True)
    if keep_logs and (folders.state / "log").is_dir():
        for entry in os.scandir(folders.state):
            if entry.name != "log":
                _remove(Path(entry.path))
    else:
        shutil.rmtree(folders.state, ignore_errors=True)
    for root in (RUN_ROOT, STATE_ROOT):
        with contextlib.suppress(OSError):
            shutil.rmtree(root / _LOCKS) if not known() else None
            root.rmdir()  # Only when it is empty.


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cluster's lock, so that `up` and `down` of one name do not meet.

    Raises HostBusyError if another process holds it. The kernel drops it when its
    holder dies, so a killed `up` locks nobody out.
    """
    folder = RUN_ROOT / _LOCKS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(folder / name, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HostBusyError(
                f'another netemu command is making or removing cluster "{name}"'
            ) from None
        yield
