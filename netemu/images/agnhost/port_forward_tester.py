"""`port-forward-tester`: serve one client so many chunks of so many bytes.

BIND_ADDRESS, BIND_PORT             where; the address is localhost if it is not given
EXPECTED_CLIENT_DATA                what the client must say first, if anything
CHUNKS, CHUNK_SIZE, CHUNK_INTERVAL  what it gets, with milliseconds between
"""

from __future__ import annotations

import os
import socket
import time

from netemu.images.flags import Command, Flags

_WRONG_DATA, _CANNOT_LISTEN = 1, 2


def _run(flags: Flags, rest: list[str]) -> int:
    del flags, rest
    names = ("BIND_PORT", "CHUNKS", "CHUNK_SIZE", "CHUNK_INTERVAL")
    texts = [os.environ.get(name, "") for name in names]
    for name, text in zip(names, texts, strict=True):
        if not text.isdecimal():
            os.write(2, f'{name}: "{text}" is no number\n'.encode())
            return _CANNOT_LISTEN
    port, chunks, size, interval_ms = map(int, texts)
    address = os.environ.get("BIND_ADDRESS") or "localhost"
    with socket.create_server((address, port)) as listener:
        connection, _ = listener.accept()
    with connection:
        _say("Accepted client connection")
        if not _says_what_is_expected(connection):
            return _WRONG_DATA
        for _ in range(chunks):
            connection.sendall(b"x" * size)
            time.sleep(interval_ms / 1000)
        connection.shutdown(socket.SHUT_WR)
        # Until the client has hung up, so that nothing of what was sent is lost.
        connection.settimeout(10.0)
        while connection.recv(4096):
            pass
    _say("Done")
    return 0


def _says_what_is_expected(connection: socket.socket) -> bool:
    expected = os.environ.get("EXPECTED_CLIENT_DATA", "").encode()
    said = b""
    while len(said) < len(expected) and (data := connection.recv(len(expected) - len(said))):
        said += data
    if said != expected:
        _say(f"Expected {expected!r}, got {said!r}")
    elif expected:
        _say("Received expected client data")
    return said == expected


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


COMMAND = Command("Serves one TCP client so many chunks, as its environment says", _run)
