"""The clusters of this host: their folders, their settings, their daemons.

    /var/lib/netemu/NAME   settings.json, the store, the CA, kubeconfig, logs
    /run/netemu/NAME       daemon.json, lock, the zygote's socket, container roots

A cluster exists when its settings are there; it runs when the process that
daemon.json names is alive. One that was stopped on purpose has a mark that says so:
nobody but `start` and `up` bring it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import msgspec

from netemu.errors import HostBusyError, UserError
from netemu.host import mounts
from netemu.host.processes import ProcessId, boot_id, start_ticks
from netemu.model.settings import ClusterSettings

STATE_ROOT = Path("/var/lib/netemu")
RUN_ROOT = Path("/run/netemu")
_LOCKS = ".locks"
_CHOICE = ".choice"
_GONE = ".gone"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LOCK_PATIENCE_S = 10.0
_LOOK_AGAIN_S = 0.02


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
    def stop_mark(self) -> Path:
        return self.state / "stopped"

    @property
    def daemon_record(self) -> Path:
        return self.run / "daemon.json"

    @property
    def daemon_copy(self) -> Path:
        """The same, where it outlives a lost run folder."""
        return self.state / "daemon.json"


def exists(name: str) -> bool:
    return ClusterFolders(name).settings.exists()


def known() -> list[str]:
    """Return every cluster that has left a trace in either folder, sorted.

    Logs that somebody asked to keep are none.
    """
    made = {name for name in _folders(STATE_ROOT) if not _holds_only_logs(STATE_ROOT / name)}
    running = {_of_gone(name) or name for name in _folders(RUN_ROOT)}
    return sorted(name for name in made | running if _NAME.fullmatch(name))


def _folders(root: Path) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return [entry.name for entry in os.scandir(root) if entry.is_dir()]
    return []


def _holds_only_logs(folder: Path) -> bool:
    # A folder that is closed to who asks is more than kept logs, for all they can tell.
    with contextlib.suppress(FileNotFoundError, PermissionError):
        return os.listdir(folder) == ["log"]
    return False


def _of_gone(folder: str) -> str:
    """Return the cluster whose run folder was set aside, to be removed."""
    return folder.removesuffix(_GONE).removeprefix(".") if folder.endswith(_GONE) else ""


def running() -> list[str]:
    return [name for name in known() if daemon_of(name) is not None]


def daemon_of(name: str) -> DaemonRecord | None:
    """Return the record of the cluster's daemon if that very process is alive."""
    return _read_record(ClusterFolders(name).daemon_record)


def _read_record(path: Path) -> DaemonRecord | None:
    try:
        record = msgspec.json.decode(path.read_bytes(), type=DaemonRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if record.boot != boot_id() or not record.process.alive:
        return None
    return record


def end_daemon(name: str) -> None:
    """End the cluster's daemon, also one that has lost its run folder. None is success.

    It is crash-only: there is nothing that it would have to finish.
    """
    folders = ClusterFolders(name)
    for path in (folders.daemon_record, folders.daemon_copy):
        if (record := _read_record(path)) is not None:
            record.process.end(grace_s=0.0)


def is_stopped(name: str) -> bool:
    """Whether somebody stopped it, and nobody has started it since."""
    return ClusterFolders(name).stop_mark.exists()


def mark_stopped(name: str) -> None:
    write_atomically(ClusterFolders(name).stop_mark, b"", lasting=True)


def unmark_stopped(name: str) -> None:
    ClusterFolders(name).stop_mark.unlink(missing_ok=True)


def record_of(pid: int) -> DaemonRecord:
    """Return what a daemon's record says at first: who it is."""
    return DaemonRecord(pid=pid, start=start_ticks(pid) or 0, boot=boot_id())


def save_record(name: str, record: DaemonRecord) -> None:
    folders = ClusterFolders(name)
    data = msgspec.json.encode(record)
    with contextlib.suppress(OSError):  # The disk may be full.
        write_atomically(folders.daemon_copy, data)
    write_atomically(folders.daemon_record, data)


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, lasting: bool = False) -> None:
    """Write a file so that a reader sees the old or the new one, never half of it.

    One that is to be `lasting` is so after a crash of the host, too.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        if lasting:
            file.flush()
            os.fsync(descriptor)
    part.replace(path)
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk know which files are in the folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
        lasting=True,
    )


def load_settings(name: str) -> ClusterSettings:
    """Return the settings a cluster was made with; UserError if there are none to be read."""
    path = ClusterFolders(name).settings
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        others = ", ".join(known())
        hint = f"there are: {others}" if others else "there is none; 'netemu up' makes one"
        raise UserError(f'no cluster named "{name}": {hint}') from None
    try:
        return msgspec.json.decode(data, type=ClusterSettings, dec_hook=_decode_field)
    except msgspec.DecodeError as error:
        raise UserError(
            f"not the settings of a cluster ({error}); 'sudo netemu down {name}' removes it",
            file=str(path),
        ) from error


def _decode_field(type_: type, value: Any) -> Any:
    """Addresses and paths are text on disk."""
    if type_ in (IPv4Address, IPv4Network, PurePosixPath):
        return type_(value)
    raise NotImplementedError(type_)


def remove_folders(name: str, *, keep_logs: bool) -> None:
    """Remove what `make_folders` made. Gone already is success.

    The run folder goes first and at once: what is about to start there finds nothing.
    """
    remove_run_folder(name)
    folders = ClusterFolders(name)
    if keep_logs and (folders.state / "log").is_dir():
        for entry in os.scandir(folders.state):
            if entry.name != "log":
                _remove(Path(entry.path))
    else:
        shutil.rmtree(folders.state, ignore_errors=True)
    _remove_empty_roots()


def remove_run_folder(name: str) -> None:
    """Remove what is of this boot only. Gone already is success."""
    gone, run = RUN_ROOT / f".{name}{_GONE}", ClusterFolders(name).run
    for folder in (gone, run):
        mounts.unmount_below(os.fspath(folder))
    shutil.rmtree(gone, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        run.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _remove_empty_roots() -> None:
    _remove_free_locks()
    for folder in (RUN_ROOT / _LOCKS, RUN_ROOT, STATE_ROOT):
        with contextlib.suppress(OSError):
            folder.rmdir()  # Only when it is empty.


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cluster's lock, so that `up` and `down` of one name do not meet.

    Waits for another command for a while; HostBusyError if that does not end. The
    kernel drops the lock when its holder dies, so a killed `up` locks nobody out.
    """
    path = RUN_ROOT / _LOCKS / name
    with _take(path, name) as file:
        try:
            yield
        finally:
            if name not in known() and _is_still(file, path):
                path.unlink()
                _remove_empty_roots()


@contextlib.contextmanager
def choosing() -> Iterator[None]:
    """Hold what keeps two new clusters from choosing the same addresses."""
    with locked(_CHOICE):
        yield


@contextlib.contextmanager
def _take(path: Path, name: str) -> Iterator[TextIO]:
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError), open(path, "a", encoding="ascii") as file:
            if _lock(file) and _is_still(file, path):
                yield file
                return
        if time.monotonic() > deadline:
            raise HostBusyError(
                f'another netemu command has been making or removing cluster "{name}" '
                f"for {_LOCK_PATIENCE_S:g} s"
            )
        time.sleep(_LOOK_AGAIN_S)


def _remove_free_locks() -> None:
    """Remove the files of locks whose holders were killed."""
    with contextlib.suppress(FileNotFoundError):
        for path in (RUN_ROOT / _LOCKS).iterdir():
            with contextlib.suppress(FileNotFoundError), open(path, "a", encoding="ascii") as file:
                # Only who holds the lock may remove its file, or two could hold two.
                if path.name not in known() and _lock(file) and _is_still(file, path):
                    path.unlink()


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(file: TextIO, path: Path) -> bool:
    """Whether the open file is the one that others find by its name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
