"""The user's own `~/.kube/config`: one context added at `up`, taken away at `down`.

Every other entry stays as it is. The file belongs to the person who called sudo,
so it is written in that person's home and with that person's ownership, under the
same lock file that kubectl uses.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from netemu.errors import HostBusyError, UserError

_LOCK_PATIENCE_S = 2.0
_STALE_LOCK_S = 30.0


def context_name(cluster: str) -> str:
    return f"netemu-{cluster}"


def caller() -> pwd.struct_passwd:
    """Return the person behind sudo, or whoever runs this."""
    uid = os.environ.get("SUDO_UID", "")
    return pwd.getpwuid(int(uid) if uid.isdigit() else os.getuid())


def config_path() -> Path:
    """`$KUBECONFIG` (its first file) if the caller kept it through sudo, else ~/.kube/config."""
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(named) if named else _home() / ".kube" / "config"


def _home() -> Path:
    """Behind sudo, HOME may be its own or the caller's: the account says which is right."""
    home = os.environ.get("HOME", "")
    return Path(caller().pw_dir if "SUDO_UID" in os.environ or not home else home)


def add_context(cluster: str, kubeconfig: dict[str, Any]) -> str:
    """Merge the cluster's entries in and make its context current.

    Returns the context that was current before, to be given to `remove_context`.
    UserError if the file is there but cannot be understood: then it is not touched.
    """
    path = config_path()
    with _locked(path):
        config = _load(path)
        previous = str(config.get("current-context") or "")
        _drop(config, context_name(cluster))
        for section in ("clusters", "users", "contexts"):
            config.setdefault(section, None)
            config[section] = [*(config[section] or []), *kubeconfig[section]]
        config["current-context"] = context_name(cluster)
        _store(path, config)
    return previous if previous != context_name(cluster) else ""


def remove_context(cluster: str, previous: str, *, path: Path | None = None) -> None:
    """Take the cluster's entries out; if its context is current, go back to `previous`."""
    path = path or config_path()
    if not path.exists():
        return
    with _locked(path):
        config = _load(path)
        name = context_name(cluster)
        if not _drop(config, name) and config.get("current-context") != name:
            return
        if config.get("current-context") == name:
            there = {entry.get("name") for entry in config.get("contexts") or []}
            config["current-context"] = previous if previous in there else ""
        if _is_empty(config):
            path.unlink()
            # kubectl's caches may live beside it: the folder goes only if nothing else is there.
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        else:
            _store(path, config)


def _drop(config: dict[str, Any], name: str) -> bool:
    found = False
    for section in ("clusters", "users", "contexts"):
        entries = config.get(section) or []
        kept = [entry for entry in entries if entry.get("name") != name]
        if len(kept) != len(entries):
            found = True
            config[section] = kept
    return found


def _is_empty(config: dict[str, Any]) -> bool:
    """Whether nothing is left but the frame, so that a file that we made can go again."""
    known = {"apiVersion", "kind", "preferences", "clusters", "users", "contexts"}
    rest = {key: value for key, value in config.items() if key not in known}
    return not any(rest.values()) and not any(
        config.get(section) for section in ("clusters", "users", "contexts", "preferences")
    )


def _load(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        config = None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise UserError(
            "not YAML, so no context was added; mend it or set KUBECONFIG to another file",
            file=str(path),
            line=mark.line + 1 if mark else 0,
        ) from error
    if config is None:
        return {"apiVersion": "v1", "kind": "Config", "preferences": {}}
    if not isinstance(config, dict):
        raise UserError("not a kubeconfig: expected a mapping", file=str(path))
    return config


def _store(path: Path, config: dict[str, Any]) -> None:
    # A link (dotfiles under version control) keeps being one: write what it leads to.
    path = path.resolve()
    part = path.with_name(f".{path.name}.netemu")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yaml.safe_dump(config, file, sort_keys=False)
        _give_to_caller(descriptor, path)
    part.replace(path)


def _give_to_caller(descriptor: int, like: Path) -> None:
    """Keep the owner and mode of the file that is replaced; a new one is the caller's."""
    try:
        old = like.stat()
    except FileNotFoundError:
        person = caller()
        os.fchown(descriptor, person.pw_uid, person.pw_gid)
    else:
        os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o777)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `config.lock`, as kubectl does while it writes."""
    if not path.parent.exists():
        path.parent.mkdir(parents=True, mode=0o755)
        os.chown(path.parent, caller().pw_uid, caller().pw_gid)
    lock = path.with_name(f"{path.name}.lock")
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            break
        except FileExistsError:
            with contextlib.suppress(FileNotFoundError):
                if time.time() - lock.stat().st_mtime > _STALE_LOCK_S:
                    lock.unlink()
                    continue
            if time.monotonic() > deadline:
                raise HostBusyError(
                    f"{lock} is held by another program; remove it if none is running"
                ) from None
            time.sleep(0.02)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)
