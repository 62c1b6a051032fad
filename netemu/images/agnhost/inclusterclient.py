"""`inclusterclient`: ask the API server how it is, with this Pod's own token, again and again."""

from __future__ import annotations

import hashlib
import os
import ssl
import time

from netemu.images.dialing import fetch
from netemu.images.flags import Command, Flag, Flags

_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
_TIMEOUT_S = 10.0


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}", "") for name in ("HOST", "PORT"))
    if not host or not port:
        _say(
            "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
            "KUBERNETES_SERVICE_PORT must be defined"
        )
        return 1
    while True:
        _say("calling /healthz")
        _ask(host, int(port))
        time.sleep(flags.number("poll-interval"))


def _ask(host: str, port: int) -> None:
    try:
        # Read anew each time: the kubelet replaces it before it expires.
        with open(f"{_FOLDER}/token", encoding="ascii") as file:
            header = f"Bearer {file.read().strip()}"
        tls = ssl.create_default_context(cafile=f"{_FOLDER}/ca.crt")
        told = hashlib.sha256(header.encode()).hexdigest()[:32]
        _say(f"authz_header={told}")
        headers = {"Authorization": header}
        status, body = fetch(host, port, "/healthz", timeout_s=_TIMEOUT_S, headers=headers, tls=tls)
        _say(f"status={status} {body.decode(errors='replace')}")
    except OSError as error:
        _say(f"err: {error}")


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


COMMAND = Command(
    "Asks the API server for /healthz with the Pod's own token, periodically",
    _run,
    {"poll-interval": Flag(30, "Seconds between two questions")},
)
