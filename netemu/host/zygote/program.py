"""What a container's process turns into at last: a program, or a function of ours.

By now its namespaces, root, user and capabilities are the container's.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from netemu.host.zygote.children import StartError, Voice

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Entrypoint:
    """A built-in image's function, and what it prepared in the host's namespaces."""

    def __init__(self, name: str) -> None:
        """Import `package.module:function`; call the module's `prepare()` if it has one."""
        module_name, _, function_name = name.partition(":")
        try:
            module = importlib.import_module(module_name)
            self._function: Callable[..., object] = getattr(module, function_name)
        except (ImportError, AttributeError) as error:
            raise StartError(f"entrypoint {name}: {error}", errno.ENOENT) from error
        prepare = getattr(module, "prepare", None)
        self._prepared: tuple[Any, ...] = () if prepare is None else (prepare(),)

    def descriptors(self) -> list[int]:
        """Return what `prepare` opened: the one thing of the host's that stays open."""
        opened = self._prepared[0] if self._prepared else ()
        found = opened if isinstance(opened, list | tuple) else (opened,)
        return [each.fileno() for each in found if hasattr(each, "fileno")]

    def call(self, args: Sequence[str], env: Mapping[str, str]) -> int:
        """Run it as the container's program; return its exit code."""
        os.environ.clear()
        os.environ.update(env)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        try:
            code = self._function(list(args), *self._prepared)
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
            return 1
        if isinstance(code, str):
            print(code, file=sys.stderr)
            return 1
        return code & 0xFF if isinstance(code, int) else 0


def replace_process(argv: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Exec the program; StartError says what runc would say."""
    path = find_program(argv[0], env.get("PATH", DEFAULT_PATH))
    try:
        os.execve(path, list(argv), dict(env))
    except OSError as error:
        text = (error.strerror or "").lower()
        raise StartError(f'exec: "{argv[0]}": {text}', error.errno or 0) from error


def find_program(name: str, search: str) -> str:
    """Return the path of an executable; StartError if there is none."""
    if "/" in name:
        if not os.path.exists(name):
            missing = f'exec: "{name}": stat {name}: no such file or directory'
            raise StartError(missing, errno.ENOENT)
        if os.path.isdir(name) or not os.access(name, os.X_OK):
            raise StartError(f'exec: "{name}": permission denied', errno.EACCES)
        return name
    for folder in search.split(":"):
        path = f"{folder or '.'}/{name}"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise StartError(f'exec: "{name}": executable file not found in $PATH', errno.ENOENT)


def take_streams(streams: Sequence[int]) -> None:
    """Make the three descriptors the standard streams; -1 stands for /dev/null.

    It is opened here, in the container: the host's own node could be chmodded through it.
    """
    # First out of the way: one of them may be 0, 1 or 2 itself.
    sources = [os.dup(fd) if fd >= 0 else os.open("/dev/null", os.O_RDWR) for fd in streams]
    for target, source in enumerate(sources):
        os.dup2(source, target)
        os.close(source)


def take_terminal(voice: Voice) -> None:
    """Make a new terminal of the container's own /dev/pts the three standard streams."""
    import fcntl
    import termios

    master, terminal = os.openpty()
    voice.hand_over(master)
    os.close(master)
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    take_streams([terminal] * 3)
    os.close(terminal)
