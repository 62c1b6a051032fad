"""`connect`: can this address be reached? Silent if so, else one word that says why not."""

from __future__ import annotations

import os
import socket

from netemu.images.flags import Command, Flag, Flags

_SCTP = 132


def _run(flags: Flags, rest: list[str]) -> int:
    protocol = "sctp" if flags.on("sctp") else flags.text("protocol").lower()
    said = try_connect(rest[0] if rest else "", protocol, flags.seconds("timeout"))
    if said:
        os.write(2, f"{said}\n".encode())
    return 1 if said else 0


def try_connect(target: str, protocol: str, timeout_s: float) -> str:
    """Return why it cannot be reached, or nothing."""
    host, _, port = target.rpartition(":")
    if not host or not port.isdigit():
        return "UNKNOWN"
    try:
        address = (socket.gethostbyname(host.strip("[]")), int(port))
    except OSError as error:
        return f"DNS: {error.strerror}"
    try:
        _reach(address, protocol, timeout_s or None)
    except TimeoutError:
        return "TIMEOUT"
    except ConnectionRefusedError:
        return "REFUSED"
    except OSError as error:
        return f"OTHER: {error.strerror}"
    return ""


def _reach(address: tuple[str, int], protocol: str, timeout_s: float | None) -> None:
    if protocol == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
            handle.settimeout(timeout_s)
            handle.connect(address)
            handle.send(b"hostname\n")
            handle.recv(65535)
        return
    number = _SCTP if protocol == "sctp" else socket.IPPROTO_TCP
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, number) as connection:
        connection.settimeout(timeout_s)
        connection.connect(address)


COMMAND = Command(
    "Tries to connect, and says in one word why it cannot",
    _run,
    {
        "timeout": Flag(0.0, "How long to try, such as 5s; 0: as long as it takes", duration=True),
        "protocol": Flag("tcp", "tcp, udp or sctp"),
        "sctp": Flag(False, "The same as --protocol=sctp"),
    },
    arguments="HOST:PORT",
    most=1,
)
