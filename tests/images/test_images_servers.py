"""The stand-in and agnhost as processes: requests over loopback."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from netemu.images.dialing import ask_by_datagram, get

pytestmark = pytest.mark.root


@contextlib.contextmanager
def serving(module: str, *args: str, port: int = 0):
    """Run an image's main in a process of its own until the block ends."""
    code = f"import sys; from netemu.images.{module} import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        if port:
            _wait_for(port)
        yield process
    finally:
        process.kill()
        process.communicate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def _fetch(port: int, path: str, *, headers=None, data=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_stand_in_says_who_it_is_and_what_it_saw():
    """Text for people, JSON when asked for, the name at /hostname, a log line each."""
    args = ["--port", "8101/tcp", "--port", "8102/udp", "--pod", "web-1", "--node", "worker-1"]
    with serving("standin", *args, "--linger", "0", port=8101) as process:
        _, text = _fetch(8101, "/some?x=1", headers={"X-Y": "z"})
        assert "pod: web-1\nnode: worker-1\nport: 8101/tcp\n" in text
        assert "GET /some?x=1 HTTP/1.1" in text
        assert "x-y: z" in text
        _, text = _fetch(8101, "/", headers={"Accept": "application/json"}, data=b"body")
        told = json.loads(text)
        assert (told["pod"], told["request"]["method"]) == ("web-1", "POST")
        assert told["request"]["body_bytes"] == 4
        assert _fetch(8101, "/hostname") == (200, "web-1")
        assert ask_by_datagram("127.0.0.1", 8102, "ping", timeout_s=2) == "ping"
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=5)
        assert process.returncode == 0
        assert b"GET /hostname 200" in output
        assert b"echoed" in output


def test_a_stand_in_serves_on_for_a_moment():
    """After SIGTERM it still answers; then it ends with 0."""
    with serving("standin", "--port", "8103/tcp", "--linger", "0.5", port=8103) as process:
        process.send_signal(signal.SIGTERM)
        assert _fetch(8103, "/hostname") == (200, socket.gethostname())
        assert process.wait(5) == 0


def test_a_port_that_cannot_be_had_is_said_and_the_others_serve():
    """The line names port, protocol and reason."""
    with socket.create_server(("", 8104)):
        args = ["--port", "8104/tcp", "--port", "8105/tcp", "--port", "9/sctp", "--linger", "0"]
        with serving("standin", *args, port=8105) as process:
            process.send_signal(signal.SIGTERM)
            _, complaints = process.communicate(timeout=5)
    first, second = complaints.decode().splitlines()
    assert first == "netemu-standin: cannot listen on 8104/tcp: Address already in use"
    assert second.startswith("netemu-standin: cannot listen on 9/sctp: ")


def test_nonsense_is_answered_and_closed():
    """A client that speaks no HTTP gets 400, not silence."""
    with serving("standin", "--port", "8106/tcp", port=8106):
        with socket.create_connection(("127.0.0.1", 8106), 5) as connection:
            connection.sendall(b"\x16\x03\x01garbage")
            answer = b""
            while data := connection.recv(4096):
                answer += data
        assert answer.startswith(b"HTTP/1.1 400 ")


def test_one_connection_carries_many_requests():
    """Keep-alive and pipelining: every request has its answer, in order."""
    with serving("standin", "--port", "8107/tcp", "--pod", "p", port=8107):
        with socket.create_connection(("127.0.0.1", 8107), 5) as connection:
            connection.sendall(b"GET /hostname HTTP/1.1\r\n\r\n" * 50)
            answer = b""
            while answer.count(b"\r\n\r\np") < 50:
                answer += connection.recv(65536)
        assert answer.count(b"HTTP/1.1 200 OK") == 50


@pytest.fixture(scope="module")
def net_exec():
    with serving("agnhost", "netexec", "--http-port=8110", "--udp-port", "8111", port=8110):
        yield 8110


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/hostname", 200, socket.gethostname()),
        ("/hostName", 200, socket.gethostname()),
        ("/healthz", 200, ""),
        ("/echo?msg=hello%20you&code=404", 404, "hello you"),
        ("/echo?msg=x&code=abc", 400, "argument 'code' must be an HTTP status, not 'abc'\n"),
        ("/shell?cmd=echo%20hi%3B%20exit%203", 200, '{"output":"hi\\n","error":"exit status 3"}'),
        ("/dial?host=127.0.0.1&port=8110&request=hostname", 200, None),
        ("/dial?host=127.0.0.1&port=8110", 400, "no request specified\n"),
        ("/redirect?location=/hostname", 200, socket.gethostname()),
    ],
)
def test_netexec_over_http(net_exec, path, status, body):
    """Each path answers as the interface says."""
    if body is None:
        body = json.dumps({"responses": [socket.gethostname()]}, separators=(",", ":"))
    assert _fetch(net_exec, path) == (status, body)


def test_netexec_tells_the_client(net_exec):
    """/clientip has address and port, / the time."""
    assert _fetch(net_exec, "/clientip")[1].startswith("127.0.0.1:")
    assert _fetch(net_exec, "/")[1].startswith("NOW: 20")


def test_netexec_dials_udp_and_reports_errors(net_exec):
    """Every try is in the answer, as a response or as an error."""
    _, text = _fetch(
        net_exec, "/dial?host=127.0.0.1&port=8111&protocol=udp&request=echo%20a%20b&tries=3"
    )
    assert json.loads(text) == {"responses": ["a b"] * 3}
    _, text = _fetch(net_exec, "/dial?host=127.0.0.1&port=1&request=x&tries=2")
    assert json.loads(text) == {"errors": ["[Errno 111] Connection refused"] * 2}


def test_netexec_over_udp(net_exec):
    """Commands are trimmed and case does not matter."""
    assert ask_by_datagram("127.0.0.1", 8111, " HostName\n", timeout_s=2) == socket.gethostname()
    assert ask_by_datagram("127.0.0.1", 8111, "clientip", timeout_s=2).startswith("127.0.0.1:")


def test_netexec_serves_others_while_it_dials(net_exec):
    """A slow answer does not hold up a fast one."""
    with socket.create_connection(("127.0.0.1", net_exec), 5) as slow:
        slow.sendall(b"GET /shell?cmd=sleep+2 HTTP/1.1\r\n\r\n")
        started = time.monotonic()
        assert get("127.0.0.1", net_exec, "hostname", timeout_s=1) == socket.gethostname()
        assert time.monotonic() - started < 1


def test_netexec_exits_when_told():
    """/exit ends it with the code asked for."""
    with serving("agnhost", "netexec", "--http-port=8112", "--udp-port=8113", port=8112) as process:
        with contextlib.suppress(OSError, urllib.error.URLError):
            _fetch(8112, "/exit?code=7")
        assert process.wait(5) == 7


def test_netexec_speaks_tls(tmp_path):
    """With a certificate the HTTP port is HTTPS."""
    import ssl

    key, certificate = _make_certificate(tmp_path)
    args = [f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"]
    with serving("agnhost", "netexec", "--http-port=8114", "--udp-port=8115", *args, port=8114):
        context = ssl.create_default_context(cafile=certificate)
        with urllib.request.urlopen(
            "https://localhost:8114/hostname", context=context, timeout=5
        ) as answer:
            assert answer.read().decode() == socket.gethostname()


def _make_certificate(tmp_path):
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    key_file, certificate_file = tmp_path / "key.pem", tmp_path / "certificate.pem"
    key_file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
    )
    certificate_file.write_bytes(certificate.public_bytes(encoding))
    return str(key_file), str(certificate_file)


def test_serve_hostname():
    """The name on HTTP, or bare on TCP and UDP."""
    name = socket.gethostname()
    with serving("agnhost", "serve-hostname", "--port=8116", port=8116):
        assert _fetch(8116, "/any") == (200, name)
    args = ["serve-hostname", "--http=false", "--tcp", "--udp", "--port=8117"]
    with serving("agnhost", *args, port=8117):
        with socket.create_connection(("127.0.0.1", 8117), 5) as connection:
            assert connection.recv(100).decode() == name
        assert ask_by_datagram("127.0.0.1", 8117, "x", timeout_s=2) == name


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["127.0.0.1:8118"], ""),
        (["127.0.0.1:1"], "REFUSED\n"),
        (["--protocol=udp", "--timeout=1s", "127.0.0.1:1"], "REFUSED\n"),
        (["--protocol=udp", "--timeout", "100ms", "127.0.0.1:8119"], "TIMEOUT\n"),
        (["nonsense"], "UNKNOWN\n"),
    ],
)
def test_connect_says_why_not(args, said):
    """Silent and 0 on success, else one word and 1."""
    with (
        socket.create_server(("127.0.0.1", 8118)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent,
        serving("agnhost", "connect", *args) as process,
    ):
        silent.bind(("127.0.0.1", 8119))
        _, complaints = process.communicate(timeout=10)
        assert (complaints.decode(), process.returncode) == (said, 1 if said else 0)


def test_connect_knows_a_name_that_does_not_resolve():
    """An unknown name is DNS."""
    with serving("agnhost", "connect", "no-such-name.invalid:80") as process:
        _, complaints = process.communicate(timeout=30)
    assert complaints.startswith(b"DNS: ")


def test_pause_ends_on_sigterm():
    """It says that it pauses and ends with 0."""
    with serving("agnhost", "pause") as process:
        assert process.stdout.readline() == b"Paused\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


def test_porter_serves_what_the_environment_says(monkeypatch):
    """SERVE_PORT_n has the body of port n."""
    monkeypatch.setenv("SERVE_PORT_8120", "eighty-one-twenty")
    with serving("agnhost", "porter", port=8120):
        assert _fetch(8120, "/") == (200, "eighty-one-twenty")


def test_an_unknown_command_is_said():
    """The known ones are listed."""
    with serving("agnhost", "nonsense") as process:
        _, complaints = process.communicate(timeout=10)
        assert process.returncode == 1
    assert b'unknown command "nonsense"' in complaints
    assert b"netexec" in complaints


def test_an_upload_is_kept():
    """The file's path comes back."""
    boundary = "xyz"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        f"content\r\n--{boundary}--\r\n"
    ).encode()
    with serving("agnhost", "netexec", "--http-port=8121", "--udp-port=-1", port=8121):
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        _, text = _fetch(8121, "/upload", headers=headers, data=body)
    path = json.loads(text)["output"]
    with open(path, "rb") as file:
        assert file.read() == b"content"
    os.unlink(path)
    with contextlib.suppress(OSError):
        os.rmdir("/uploads")


def test_a_guestbook_has_a_primary_and_replicas():
    """What is set at the primary is read at its replica, what was set before, too."""
    primary = ["guestbook", "--http-port=8130", "--backend-port=8131"]
    with serving("agnhost", *primary, port=8130):
        assert _fetch(8130, "/get?key=a") == (200, '{"data":""}')
        assert _fetch(8130, "/set?key=a&value=b%20c") == (200, '{"message":"Updated"}')
        assert _fetch(8130, "/set?value=b") == (400, "cannot set with empty key.\n")
        assert _fetch(8130, "/guestbook?cmd=x") == (400, "unsupported cmd: 'x'\n")
        replica = ["--http-port=8132", "--backend-port=8130", "--replicaof=127.0.0.1"]
        with serving("agnhost", "guestbook", *replica, port=8132):
            deadline = time.monotonic() + 10
            while _fetch(8132, "/get")[1] != '{"data":{"a":"b c"}}':
                assert time.monotonic() < deadline
                time.sleep(0.01)
        # Its replica listens elsewhere than on the port that it pushes to.
        status, text = _fetch(8130, "/set?key=x&value=y")
        assert (status, text[:40]) == (417, "encountered error while propagating to r")


def test_connections_are_reset_and_the_web_server_serves(tmp_path):
    """One byte is read; what is more makes it a reset."""
    (tmp_path / "x").write_text("hello")
    with (
        serving("agnhost", "tcp-reset", "--port=8133", port=8133),
        socket.create_connection(("127.0.0.1", 8133), 5) as connection,
    ):
        connection.sendall(b"12345")
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    with serving("agnhost", "test-webserver", "--port=8134", port=8134):
        assert _fetch(8134, f"{tmp_path}/x") == (200, "hello")
