"""What daemon and zygote tell each other: MessagePack frames on a Unix socket.

A frame is four bytes of length, big-endian, and one tagged struct. Requests carry a
`seq` that their answer repeats; events have none. An exec has a connection of its
own: its standard streams travel with the request as descriptors (SCM_RIGHTS), and
closing the connection kills it.
"""

from __future__ import annotations

import struct

import msgspec

from netemu.model.runtime import ContainerSpec, ContainerState, SandboxSpec, SandboxState

_LENGTH = struct.Struct(">I")
LONGEST = 16 << 20


class CreateSandbox(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    spec: SandboxSpec


class RemoveSandbox(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    id: str


class StartContainer(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    spec: ContainerSpec


class SignalContainer(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    id: str
    signal: int


class RemoveContainer(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    id: str


class ListAll(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    watch: bool = False
    """From now on, tell this connection of every container that exits."""


class Exec(msgspec.Struct, tag=True, kw_only=True, omit_defaults=True):
    """Sent with stdin, stdout and stderr, or with none for a terminal."""

    seq: int
    container: str
    argv: list[str]
    tty: bool = False


class Attach(msgspec.Struct, tag=True, kw_only=True, omit_defaults=True):
    """Sent with a pipe for stdout and one for stderr; closing the connection detaches.

    The answer, `Attached`, brings the container's input or terminal if it has one.
    """

    seq: int
    container: str
    stdin: bool = False


class CloseInput(msgspec.Struct, tag=True, kw_only=True):
    """Nothing more will be written by whoever this connection's Attach is for."""

    seq: int


class KillExec(msgspec.Struct, tag=True, kw_only=True):
    """End the process that this connection's Exec started."""

    seq: int


class Shutdown(msgspec.Struct, tag=True, kw_only=True):
    """Kill everything, remove everything, end."""

    seq: int


Request = (
    CreateSandbox
    | RemoveSandbox
    | StartContainer
    | SignalContainer
    | RemoveContainer
    | ListAll
    | Exec
    | Attach
    | CloseInput
    | KillExec
    | Shutdown
)


class Done(msgspec.Struct, tag=True, kw_only=True, omit_defaults=True):
    seq: int
    sandbox: SandboxState | None = None
    container: ContainerState | None = None


class Failed(msgspec.Struct, tag=True, kw_only=True, omit_defaults=True):
    """Becomes a HostError on the other side."""

    seq: int
    doing: str
    answer: str = ""
    errno: int = 0


class Listing(msgspec.Struct, tag=True, kw_only=True):
    seq: int
    pid: int
    sandboxes: list[SandboxState]
    containers: list[ContainerState]


class Attached(msgspec.Struct, tag=True, kw_only=True, omit_defaults=True):
    seq: int
    logged_bytes: int = 0
    """How much of the log came before what the pipes bring."""
    ends_input: bool = False
    """The container's input ends with this one's (`stdinOnce`, without a terminal)."""


class ExecEnded(msgspec.Struct, tag=True, kw_only=True):
    """The process has ended, or the container that this connection was attached to."""

    seq: int
    exit_code: int


class ContainerExited(msgspec.Struct, tag=True, kw_only=True):
    state: ContainerState


class SandboxEnded(msgspec.Struct, tag=True, kw_only=True):
    """The pause process has died, and nobody had asked for that."""

    state: SandboxState


Reply = Done | Failed | Listing | Attached | ExecEnded | ContainerExited | SandboxEnded

_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def frame(message: Request | Reply) -> bytes:
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into the bodies of whole frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        bodies = []
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > LONGEST:
                raise ValueError(f"a frame of {length} bytes")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                break
            bodies.append(bytes(self._buffer[_LENGTH.size : end]))
            del self._buffer[:end]
        return bodies


def decode_request(body: bytes) -> Request:
    return _requests.decode(body)


def decode_reply(body: bytes) -> Reply:
    return _replies.decode(body)
