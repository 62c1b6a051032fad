"""Entrypoints for tests: preloaded by the zygote, run in containers."""

import os
import socket
import sys


def report(args, prepared):
    """Say what was prepared, and where this runs."""
    print("prepared in", prepared, "runs in", os.readlink("/proc/self/ns/net"))
    print("args", args, "env", sorted(os.environ.items()))
    print("on stderr", file=sys.stderr)
    return 7


def prepare():
    return os.readlink("/proc/self/ns/net")


def fail(args, prepared):
    raise RuntimeError("as the test wants")


def leave(args, prepared):
    sys.exit(int(args[0]))


def listen_below_1024(args, prepared):
    with socket.socket() as listener:
        listener.bind(("", 80))
    return 0


def look(args, prepared):
    """List folders and read files."""
    for path in args:
        if os.path.isdir(path):
            print(path, sorted(os.listdir(path)))
        else:
            with open(path, encoding="utf-8") as file:
                print(path, file.read())
    with open("/written", "w", encoding="utf-8") as file:
        file.write("here")
    return 0
