"""Entrypoints for tests: preloaded by the zygote, run in containers."""

import os
import socket
import sys


def report(args, prepared):
    """Say what was prepared, and where this runs."""
    where, opened = prepared
    print("prepared in", where, "runs in", os.readlink("/proc/self/ns/net"))
    print("prepared socket", opened.getsockname()[0])
    print("args", args, "env", sorted(os.environ.items()))
    print("on stderr", file=sys.stderr)
    return 7


def prepare():
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    return os.readlink("/proc/self/ns/net"), opened


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
