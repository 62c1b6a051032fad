"""agnhost as a file, for shells in containers: there, no zygote forks the built-in one.

A zip archive that Python runs, behind a shell script that looks for a Python the
container sees: the one that netemu runs with is hidden if it lies below `/root` or
`/home`. Nothing in it comes from outside the standard library.
"""

from __future__ import annotations

import importlib
import importlib.util
import marshal
import os
import pkgutil
import shlex
import sys
import zipfile
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader

_SHARED = (
    "netemu",
    "netemu.plugins",
    "netemu.core",
    "netemu.core.grpc_health",
    "netemu.images",
    "netemu.images.dialing",
    "netemu.images.flags",
    "netemu.images.http",
    "netemu.images.serving",
)
_AGNHOST = "netemu.images.agnhost"
_TELL = "agnhost: containers here see no Python 3.11 or newer, which /agnhost as a file needs: "
_TELL += "install it below /usr on the host, or run /agnhost as the container's command"

# Names with a version first: they need not be asked for it.
_HEAD = """#!/bin/sh
for python in {own} /usr/bin/python3.1[1-9] /usr/local/bin/python3.1[1-9] \\
  /usr/bin/python3 /usr/local/bin/python3
do
  [ -x "$python" ] && exec "$python" -IS -X utf8 "$0" "$@"
done
echo "{tell}" >&2
exit 127
"""
_MAIN = f"""import signal, sys
if sys.version_info < (3, 11):
    print({_TELL!r}, file=sys.stderr)
    sys.exit(127)
for number in (signal.SIGINT, signal.SIGPIPE):
    signal.signal(number, signal.SIG_DFL)
from {_AGNHOST} import main
sys.exit(main(sys.argv[1:]))
"""


def write_agnhost(path: str) -> None:
    """Write it, for everybody to run."""
    with open(path, "wb") as file:
        own = " ".join(map(shlex.quote, _own_pythons()))
        file.write(_HEAD.format(own=own, tell=_TELL).encode())
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("__main__.py", _MAIN)
            for name in (*_SHARED, _AGNHOST, *_subcommands()):
                _add_module(archive, name)
    os.chmod(path, 0o755)


def _own_pythons() -> tuple[str, str]:
    """Return the Pythons that can take our bytecode as it is."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return os.path.realpath(sys.executable), f"/usr/bin/{version}"


def _subcommands() -> Iterator[str]:
    package = importlib.import_module(_AGNHOST)
    return (f"{_AGNHOST}.{module.name}" for module in pkgutil.iter_modules(package.__path__))


def _add_module(archive: zipfile.ZipFile, name: str) -> None:
    """Add the source, and the bytecode for a Python that takes it: that starts faster."""
    loader = SourceFileLoader(name, importlib.import_module(name).__file__ or "")
    inner = "/__init__" if loader.is_package(name) else ""
    stem = name.replace(".", "/") + inner
    source = loader.get_data(loader.get_filename(name))
    archive.writestr(f"{stem}.py", source)
    archive.writestr(f"{stem}.pyc", _bytecode(loader, name, source))


def _bytecode(loader: SourceFileLoader, name: str, source: bytes) -> bytes:
    unchecked_hash = (1).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + unchecked_hash + importlib.util.source_hash(source)
    return head + marshal.dumps(loader.get_code(name))
