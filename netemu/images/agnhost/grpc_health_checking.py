"""`grpc-health-checking`: a server of gRPC's health protocol that can be told to be unwell."""

from __future__ import annotations

import os
import time

from netemu.core.grpc_health import Health
from netemu.images.flags import Command, Flag, Flags
from netemu.images.http import Request, Response
from netemu.images.serving import Port, Server

_NO_HTTP2 = "grpc-health-checking: HTTP/2 is only there in a container that starts with it:"
_NO_HTTP2 += " make grpc-health-checking the container's args"


class Wellbeing:
    """Whether it serves: until a moment, or as it was told last."""

    def __init__(self, *, delay_s: float) -> None:
        self._told: bool | None = None
        self._until = time.monotonic() + delay_s if delay_s >= 0 else None

    def serves(self) -> bool:
        if self._told is not None:
            return self._told
        return self._until is None or time.monotonic() < self._until

    def answer(self, request: Request) -> Response:
        """Do what a request to the control port says."""
        if request.path not in ("/make-serving", "/make-not-serving"):
            return Response(404, b"404 page not found\n")
        self._told = request.path == "/make-serving"
        state = "serving" if self._told else "not serving"
        log(f"Mark as {state}")
        return Response(200, f"Marked as {state}\n".encode())


def log(line: str) -> None:
    os.write(2, line.encode() + b"\n")


def _run(flags: Flags, rest: list[str]) -> int:
    del rest
    try:
        # Where a container starts with it, it has been imported before its root was entered.
        from netemu.images.grpc import HealthConnection
    except ImportError:
        log(_NO_HTTP2)
        return 1

    wellbeing = Wellbeing(delay_s=flags.number("delay-unhealthy-sec"))

    def check(service: str) -> Health | None:
        if service != flags.text("service"):
            return None
        return Health.SERVING if wellbeing.serves() else Health.NOT_SERVING

    def http2(port: Port) -> HealthConnection:
        del port
        return HealthConnection(check, log)

    server = Server(wellbeing.answer, lambda *_: None, http2=http2)
    server.end_on_sigterm(after_s=0)
    server.listen_tcp(flags.number("port"))
    server.listen_tcp(flags.number("http-port"))
    log("Serving gRPC health checks and HTTP control")
    server.run()
    return 0


COMMAND = Command(
    "Answers gRPC health checks, and can be told to be unwell",
    _run,
    {
        "port": Flag(5000, "gRPC port"),
        "http-port": Flag(8080, "Port of the control server: /make-serving, /make-not-serving"),
        "delay-unhealthy-sec": Flag(-1, "Seconds until NOT_SERVING; negative: never"),
        "service": Flag("", "The service that it answers for"),
    },
)
