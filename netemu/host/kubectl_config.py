"""The user's own `~/.kube/config`: one context added at `up`, taken away at `down`.

Every other entry stays as it is, to the letter: the file is edited as a tree of YAML
nodes, so nothing is turned into values and back. What `down` has to know (which
context was current, whether the file is ours) stands in an extension of our context,
where minikube keeps its own, and survives kubectl's editing. The file belongs to the
person who called sudo, so it is written in that person's home and with that person's
ownership, under the same lock file that kubectl uses.
"""

from __future__ import annotations

import contextlib
import io
import os
import pwd
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netemu.errors import HostBusyError, HostError, UserError

_LOCK_PATIENCE_S = 2.0
_STALE_LOCK_S = 30.0
_EXTENSION = "netemu.dev"
_SECTIONS = ("clusters", "users", "contexts")
_FRAME = frozenset(("apiVersion", "kind"))
_TEXT = "tag:yaml.org,2002:str"

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def context_name(cluster: str) -> str:
    return f"netemu-{cluster}"


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind sudo, or whoever runs this."""

    uid: int
    gid: int
    home: str


def caller() -> Caller:
    """Return who calls; where no account says so, sudo's variables and HOME do."""
    environ = os.environ
    behind_sudo = environ.get("SUDO_UID", "").isdigit()
    uid = int(environ["SUDO_UID"]) if behind_sudo else os.getuid()
    try:
        person = pwd.getpwuid(uid)
        gid, home = person.pw_gid, person.pw_dir
    except KeyError:
        gid, home = os.getgid(), "/root"
    if behind_sudo:
        # sudo's HOME may be root's or the caller's: the account says which is right.
        return Caller(uid, int(environ.get("SUDO_GID") or gid), home)
    return Caller(uid, gid, environ.get("HOME") or home)


def config_path() -> Path:
    """`$KUBECONFIG` (its first file) if the caller kept it through sudo, else ~/.kube/config."""
    named = [name for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    return Path(named[0]).absolute() if named else Path(caller().home) / ".kube" / "config"


def check() -> None:
    """Raise UserError if the file is there but cannot be understood."""
    _Config.read(config_path())


def contexts_of_ours(path: Path) -> list[str]:
    """Return the contexts that `add_context` made; UserError if the file is not understood."""
    return _Config.read(path).names_of_ours()


def add_context(cluster: str, kubeconfig: dict[str, Any]) -> None:
    """Merge the cluster's entries in and make its context current.

    UserError if the file is there but cannot be understood: then it is not touched.
    """
    path = config_path()
    made = _missing(path)
    name = context_name(cluster)
    with _locked(path):
        config = _Config.read(path)
        old = config.story_of(name)
        current = config.current
        # Taken as given at the first time; a second `up` knows no better.
        story = {"made": made, **old, "previous": old.get("previous", "")}
        if current != name:
            story["previous"] = current
        config.drop(name)
        config.add(kubeconfig, name, story)
        config.current = name
        _store(path, config.text())


def remove_context(cluster: str, path: Path, *, original: bytes = b"") -> None:
    """Take the cluster's entries out; if its context is current, go back to the one before.

    `original` is what the file was before `add_context`: if nothing else has changed,
    the file is that again, comments included. One that we made goes when it is empty.
    """
    if not path.exists():
        return
    name = context_name(cluster)
    with _locked(path):
        config = _Config.read(path)
        if not config.has(name):
            return
        story = config.story_of(name)
        config.drop(name)
        _go_back(config, name, story)
        gone = "file" in story.get("made", ()) and config.is_empty
        if gone:
            path.unlink()
        else:
            again = original and _meaning(_compose(original)) == config.meaning()
            _store(path, original if again else config.text())
    if gone and "folder" in story["made"]:
        # kubectl's caches may live beside it: the folder goes only if nothing else is there.
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def _go_back(config: _Config, name: str, story: dict[str, Any]) -> None:
    """Hand what this context knew on to those that came after it."""
    previous = str(story.get("previous") or "")
    for other in config.names_of_ours():
        after = config.story_of(other)
        if after.get("previous") == name:
            config.tell(other, after | {"previous": previous})
    heir = next(iter(config.names_of_ours()), "")
    if heir and story.get("made"):
        config.tell(heir, config.story_of(heir) | {"made": story["made"]})
    if config.current == name:
        config.current = previous if config.has(previous) else ""


def _missing(path: Path) -> list[str]:
    """Return what has to be made for the file to be there."""
    made = [] if path.exists() else ["file"]
    return made if path.parent.exists() else [*made, "folder"]


# --- the file as nodes -------------------------------------------------------------------


class _Config:
    """A kubeconfig whose entries of others are never looked into."""

    def __init__(self, root: yaml.MappingNode) -> None:
        self._root = root

    @classmethod
    def read(cls, path: Path) -> _Config:
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            text = b""
        except OSError as error:
            raise UserError(f"cannot be read: {error.strerror}", file=str(path)) from error
        try:
            node = _compose(text)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            raise UserError(
                "not one YAML document; mend it, name another with KUBECONFIG, or use --no-context",
                file=str(path),
                line=mark.line + 1 if mark else 0,
            ) from error
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value in ("", "null", "~")):
            node = _node({"apiVersion": "v1", "kind": "Config", "preferences": {}})
        if not isinstance(node, yaml.MappingNode):
            raise UserError("not a kubeconfig: expected a mapping", file=str(path))
        config = cls(node)
        config._check(path)
        return config

    def _check(self, path: Path) -> None:
        for section in _SECTIONS:
            node = _get(self._root, section)
            if not (node is None or isinstance(node, yaml.SequenceNode) or _is_null(node)):
                raise UserError(
                    f"not a kubeconfig: {section} is not a list",
                    file=str(path),
                    line=node.start_mark.line + 1,
                )

    def text(self) -> str:
        return _serialize(self._root)

    def meaning(self) -> str:
        return _meaning(self._root)

    @property
    def current(self) -> str:
        node = _get(self._root, "current-context")
        return str(node.value) if isinstance(node, yaml.ScalarNode) and not _is_null(node) else ""

    @current.setter
    def current(self, name: str) -> None:
        _put(self._root, "current-context", _node(name) if name else None)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left but the frame."""
        return self.meaning() == _meaning(None)

    def has(self, context: str) -> bool:
        return any(name == context for name, _ in self._entries("contexts"))

    def names_of_ours(self) -> list[str]:
        return [name for name, _ in self._entries("contexts") if self.story_of(name)]

    def add(self, kubeconfig: dict[str, Any], context: str, story: dict[str, Any]) -> None:
        for section in _SECTIONS:
            node = _get(self._root, section)
            if not isinstance(node, yaml.SequenceNode):
                node = _node([])
                _put(self._root, section, node)
            node.flow_style = False if not node.value else node.flow_style
            node.value.extend(_node(entry) for entry in kubeconfig[section])
        self.tell(context, story)

    def drop(self, name: str) -> None:
        for section in _SECTIONS:
            node = _get(self._root, section)
            if isinstance(node, yaml.SequenceNode):
                node.value = [entry for entry in node.value if _name_of(entry) != name]
                if not node.value:
                    node.flow_style = True

    def story_of(self, context: str) -> dict[str, Any]:
        """Return what we noted in a context of ours; nothing of any other."""
        for name, entry in self._entries("contexts"):
            node = _get(entry, "context")
            extensions = _get(node, "extensions") if node else None
            for each in extensions.value if isinstance(extensions, yaml.SequenceNode) else ():
                if name == context and _name_of(each) == _EXTENSION:
                    told = yaml.safe_load(_serialize(each)).get("extension")
                    return told if isinstance(told, dict) else {}
        return {}

    def tell(self, context: str, story: dict[str, Any]) -> None:
        extension = _node([{"name": _EXTENSION, "extension": story}])
        for name, entry in self._entries("contexts"):
            node = _get(entry, "context")
            if name == context and node is not None:
                _put(node, "extensions", extension)

    def _entries(self, section: str) -> Iterator[tuple[str, yaml.Node]]:
        node = _get(self._root, section)
        for entry in node.value if isinstance(node, yaml.SequenceNode) else ():
            yield _name_of(entry), entry


def _node(value: Any) -> Any:
    return yaml.SafeDumper(io.StringIO()).represent_data(value)


def _compose(text: bytes) -> yaml.Node | None:
    node = yaml.compose(text, Loader=_Loader)
    if node is not None:
        _quote_times(node, in_flow=False)
    return node


def _quote_times(node: yaml.Node, *, in_flow: bool) -> None:
    """Make text of what YAML takes for a time, where the emitter would have to tag it."""
    if isinstance(node, yaml.ScalarNode):
        if in_flow and node.tag == "tag:yaml.org,2002:timestamp":
            node.tag, node.style = _TEXT, "'"
    elif isinstance(node, yaml.CollectionNode):
        parts = node.value if isinstance(node, yaml.SequenceNode) else sum(node.value, ())
        for part in parts:
            _quote_times(part, in_flow=in_flow or bool(node.flow_style))


def _meaning(root: yaml.Node | None) -> str:
    """Return what a kubeconfig says but for comments, layout and its empty frame."""
    said = [
        (key, value)
        for key, value in (root.value if isinstance(root, yaml.MappingNode) else ())
        if key.value not in _FRAME and value.value and not _is_null(value)
    ]
    return _serialize(yaml.MappingNode("tag:yaml.org,2002:map", said, flow_style=False))


def _serialize(node: yaml.Node) -> str:
    text: str = yaml.serialize(node, Dumper=_Dumper, allow_unicode=True, width=1 << 16)
    return text


def _get(node: yaml.Node, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for found, value in node.value if found.value == key), None)


def _put(node: yaml.Node, key: str, value: yaml.Node | None) -> None:
    """Set a key of a mapping in its place; None takes it away."""
    assert isinstance(node, yaml.MappingNode)
    for index, (found, _) in enumerate(node.value):
        if found.value == key:
            node.value[index : index + 1] = [] if value is None else [(found, value)]
            return
    if value is not None:
        node.value.append((yaml.ScalarNode(_TEXT, key), value))


def _is_null(node: yaml.Node) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")


def _name_of(entry: yaml.Node) -> str:
    name = _get(entry, "name")
    return str(name.value) if isinstance(name, yaml.ScalarNode) else ""


# --- the file as a file ------------------------------------------------------------------


def _store(path: Path, text: str | bytes) -> None:
    # A link (dotfiles under version control) keeps being one: write what it leads to.
    path = path.resolve()
    part = path.with_name(f".{path.name}.netemu")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            _give_to_caller(descriptor, path)
        part.replace(path)
    except OSError as error:
        raise HostError("writing", where=str(path), answer=error.strerror or "") from error


def _give_to_caller(descriptor: int, like: Path) -> None:
    """Keep the owner and mode of the file that is replaced; a new one is the caller's."""
    try:
        old = like.stat()
    except FileNotFoundError:
        person = caller()
        os.fchown(descriptor, person.uid, person.gid)
    else:
        os.fchown(descriptor, old.st_uid, old.st_gid)
        os.fchmod(descriptor, old.st_mode & 0o777)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `config.lock`, as kubectl does while it writes."""
    lock = path.with_name(f"{path.name}.lock")
    try:
        if not path.parent.exists():
            path.parent.mkdir(parents=True, mode=0o755)
            os.chown(path.parent, caller().uid, caller().gid)
        _take(lock)
    except OSError as error:
        raise HostError("locking", where=str(path), answer=error.strerror or "") from error
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return
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
