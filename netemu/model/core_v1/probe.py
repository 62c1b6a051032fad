"""core/v1: what a kubelet does to a container from outside: probes and lifecycle hooks."""

from typing import Annotated

from netemu.model.wire import JSON_ONLY, ApiStruct, IntOrString, always


class ExecAction(ApiStruct):
    command: Annotated[list[str], 1] = []


class HTTPHeader(ApiStruct):
    name: Annotated[str, 1] = always(str)
    value: Annotated[str, 2] = always(str)


class HTTPGetAction(ApiStruct):
    path: Annotated[str, 1] = ""
    port: Annotated[IntOrString, 2] = always(int)
    host: Annotated[str, 3] = ""
    scheme: Annotated[str, 4] = ""
    http_headers: Annotated[list[HTTPHeader], 5] = []
    protocol: Annotated[str, JSON_ONLY] = ""


class TCPSocketAction(ApiStruct):
    port: Annotated[IntOrString, 1] = always(int)
    host: Annotated[str, 2] = ""


class GRPCAction(ApiStruct):
    port: Annotated[int, 1] = always(int)
    service: Annotated[str | None, 2] = None
    mode: Annotated[str, JSON_ONLY] = ""


class ProbeHandler(ApiStruct):
    exec: Annotated[ExecAction | None, 1] = None
    http_get: Annotated[HTTPGetAction | None, 2] = None
    tcp_socket: Annotated[TCPSocketAction | None, 3] = None
    grpc: Annotated[GRPCAction | None, 4] = None


class Probe(ProbeHandler):
    INLINE = 1

    initial_delay_seconds: Annotated[int, 2] = 0
    timeout_seconds: Annotated[int, 3] = 0
    period_seconds: Annotated[int, 4] = 0
    success_threshold: Annotated[int, 5] = 0
    failure_threshold: Annotated[int, 6] = 0
    termination_grace_period_seconds: Annotated[int | None, 7] = None


class SleepAction(ApiStruct):
    seconds: Annotated[int, 1] = always(int)


class LifecycleHandler(ApiStruct):
    exec: Annotated[ExecAction | None, 1] = None
    http_get: Annotated[HTTPGetAction | None, 2] = None
    tcp_socket: Annotated[TCPSocketAction | None, 3] = None
    sleep: Annotated[SleepAction | None, 4] = None


class Lifecycle(ApiStruct):
    post_start: Annotated[LifecycleHandler | None, 1] = None
    pre_stop: Annotated[LifecycleHandler | None, 2] = None
    stop_signal: Annotated[str | None, 3] = None
