"""`tcp-reset`: read one byte of each connection and close it: what is left unread resets it."""

from __future__ import annotations

import os
import signal
import socket

from netemu.images.flags import Command, Flag, Flags

_PATIENCE_S = 10.0


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with socket.create_server(("", flags.number("port"))) as listener:
        while True:
            connection, peer = listener.accept()
            with connection:
                connection.settimeout(_PATIENCE_S)
                try:
                    connection.recv(1)
                except OSError:
                    continue
            os.write(1, f"closed the connection of {peer[0]}:{peer[1]}\n".encode())


COMMAND = Command(
    "Reads one byte of each TCP connection and closes it: the rest makes it a reset",
    _run,
    {"port": Flag(8080, "Port number")},
)
