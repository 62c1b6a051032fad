"""HTTP/1.1, as much of it as a server for tests and demonstrations needs (RFC 9112)."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

REASONS = {
    100: "Continue",
    200: "OK",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    412: "Precondition Failed",
    417: "Expectation Failed",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_LONGEST_HEAD = 64 << 10
_LONGEST_BODY = 256 << 20


class BadRequest(Exception):  # noqa: N818 - the field's word.
    """What came is not HTTP; the text says why."""


class Request:
    """One request, whole."""

    __slots__ = (
        "body",
        "headers",
        "keep_alive",
        "method",
        "path",
        "peer",
        "port",
        "query",
        "target",
        "version",
    )

    def __init__(self, method: str, target: str, version: str, headers: dict[str, str]) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        """By lower-case name."""
        path, _, self.query = target.partition("?")
        self.path = unquote(path)
        self.body = b""
        self.peer = ("", 0)
        self.port = 0
        connection = headers.get("connection", "").lower()
        self.keep_alive = (
            "close" not in connection if version == "HTTP/1.1" else ("keep-alive" in connection)
        )

    @property
    def client(self) -> str:
        return f"{self.peer[0]}:{self.peer[1]}"

    def parameters(self) -> dict[str, str]:
        """Return the query's parameters; of one that is repeated, the first."""
        parameters: dict[str, str] = {}
        for name, value in parse_qsl(self.query, keep_blank_values=True):
            parameters.setdefault(name, value)
        return parameters


class Response:
    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = "text/plain; charset=utf-8",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers


def render(request: Request | None, response: Response) -> bytes:
    """Return the response's bytes; `request` is None when there was no readable one."""
    keep = request is not None and request.keep_alive
    reason = REASONS.get(response.status, "Status")
    extra = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
    head = (
        f"HTTP/1.1 {response.status} {reason}\r\n"
        f"Content-Type: {response.content_type}\r\n"
        f"Content-Length: {len(response.body)}\r\n"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n"
        f"{extra}\r\n"
    ).encode("latin-1", "replace")
    if request is not None and request.method == "HEAD":
        return head
    return head + response.body


class Parser:
    """Cuts a stream into requests."""

    __slots__ = ("_buffer", "_continued", "_request", "untouched")

    def __init__(self) -> None:
        self.untouched = True
        """Nothing has come yet."""
        self._buffer = b""
        self._request: Request | None = None
        """One whose head is here and whose body is not."""
        self._continued = False

    def feed(self, data: bytes) -> None:
        self.untouched = False
        self._buffer += data

    def next(self) -> Request | None:
        """Return the next request that is complete; BadRequest if there can be none."""
        if self._request is None:
            self._request = self._take_head()
        request = self._request
        if request is None or not self._take_body(request):
            return None
        self._request = None
        self._continued = False
        return request

    def expects_continue(self) -> bool:
        """Tell, once a request, whether the client waits to be told to go on."""
        if self._request is None or self._continued:
            return False
        self._continued = True
        return self._request.headers.get("expect", "").lower() == "100-continue"

    def _take_head(self) -> Request | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            self._refuse_nonsense()
            return None
        head = self._buffer[:end].decode("latin-1")
        self._buffer = self._buffer[end + 4 :]
        first, *lines = head.lstrip("\r\n").split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequest("this port speaks HTTP/1.1")
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest(f"a header without a colon: {line[:80]}")
            headers[name.lower()] = value.strip()
        return Request(parts[0], parts[1], parts[2], headers)

    def _refuse_nonsense(self) -> None:
        if len(self._buffer) > _LONGEST_HEAD:
            raise BadRequest("the head of the request is too long")
        first, newline, _ = self._buffer.lstrip(b"\r\n").partition(b"\n")
        if (newline and b" HTTP/1." not in first) or (first and not first[:1].isalpha()):
            raise BadRequest("this port speaks HTTP/1.1")

    def _take_body(self, request: Request) -> bool:
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            return self._take_chunks(request)
        text = request.headers.get("content-length", "0")
        if not text.isdigit() or int(text) > _LONGEST_BODY:
            raise BadRequest(f"content-length {text}")
        length = int(text)
        if len(self._buffer) < length:
            return False
        request.body, self._buffer = self._buffer[:length], self._buffer[length:]
        return True

    def _take_chunks(self, request: Request) -> bool:
        while True:
            line, newline, rest = self._buffer.partition(b"\r\n")
            if not newline:
                return False
            try:
                length = int(line.split(b";")[0], 16)
            except ValueError:
                raise BadRequest("a chunk without a length") from None
            if len(rest) < length + 2:
                return False
            request.body += rest[:length]
            self._buffer = rest[length + 2 :]
            if length == 0:
                return True
