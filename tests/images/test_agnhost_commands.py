"""agnhost's smaller subcommands: what is pure in them, and those that end by themselves."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from netemu.images import agnhost
from netemu.images.agnhost import liveness, logs_generator, mounttest, net, no_snat_test, stress
from netemu.images.agnhost import test_webserver as webserver
from netemu.images.dialing import fetch
from netemu.images.http import Request


def _run(capfdbinary: pytest.CaptureFixture[bytes], *args: str, code: int = 0) -> tuple[str, str]:
    assert agnhost.main(list(args)) == code
    out, err = capfdbinary.readouterr()
    return out.decode(), err.decode()


def _get(path: str) -> Request:
    return Request("GET", path, "HTTP/1.1", {})


def test_there_is_help_for_all_and_for_each(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """`help`, `help NAME` and `NAME --help` say what there is, and that nothing is wrong."""
    listed, _ = _run(capfdbinary)
    assert "  logs-generator" in listed
    assert _run(capfdbinary, "help")[0] == listed
    one, _ = _run(capfdbinary, "help", "netexec")
    assert "      --http-port int" in one
    assert _run(capfdbinary, "netexec", "--help")[0] == one


def test_a_bad_flag_is_told_with_the_usage(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The exit code is 1, as cobra's."""
    _, told = _run(capfdbinary, "serve-hostname", "--prot=80", code=1)
    assert told.startswith("Error: unknown flag: --prot\nUsage:\n  app serve-hostname [flags]\n")
    _, told = _run(capfdbinary, "netexec", "--sctp-port=9", code=1)
    assert "speaks TCP and UDP" in told
    _, told = _run(capfdbinary, "pause", "now", code=1)
    assert told.startswith("Error: accepts at most 0 arg(s), received 1\n")


def test_the_entrypoint_tester_prints_its_arguments(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Whatever they look like."""
    out, _ = _run(capfdbinary, "entrypoint-tester", "a", "--b", "-c=1")
    assert out == "[/agnhost entrypoint-tester a --b -c=1]\n"


def test_what_the_pod_was_given_is_printed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The files are those of this machine."""
    out, _ = _run(capfdbinary, "etc-hosts")
    assert out == Path("/etc/hosts").read_text()
    servers, _ = _run(capfdbinary, "dns-server-list")
    lines = Path("/etc/resolv.conf").read_text().splitlines()
    assert servers.split(",") == [x.split()[1] for x in lines if x.startswith("nameserver")] or [""]
    assert _run(capfdbinary, "dns-suffix")[1] == ""


@pytest.mark.parametrize(
    ("path", "age_s", "status", "body"),
    [
        ("/healthz", 9, 200, b"ok"),
        ("/healthz", 11, 500, b"error: 11"),
        ("/started", 3.5, 200, b"3.5s"),
        ("/redirect?loc=/healthz", 0, 302, b""),
        ("/", 0, 404, b"404 page not found\n"),
    ],
)
def test_who_is_old_is_unwell(path: str, age_s: float, status: int, body: bytes) -> None:
    """For ten seconds it is well."""
    answer = liveness.answer_of(_get(path), age_s)
    assert (answer.status, answer.body) == (status, body)


def test_lines_of_a_log_are_numbered(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """All of them come, in order, in the time that was given."""
    out, _ = _run(capfdbinary, "logs-generator", "-t", "2000", "-d", "200ms")
    lines = out.splitlines()
    pattern = re.compile(
        r"I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ logs_generator.go:77\] (\d+) (GET|POST|PUT) "
        r"/api/v1/namespaces/(kube-system|default|ns)/pods/\w{3,4} [2-5]\d\d"
    )
    found = [pattern.fullmatch(line) for line in lines]
    assert [int(one[1]) for one in found if one] == list(range(2000))
    assert logs_generator.line_of(7, random.Random(1)).startswith("7 ")
    _, told = _run(capfdbinary, "logs-generator", "-t", "5", code=255)
    assert told == "Invalid duration: 0\n"


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        (0o100644, "-rw-r--r--"),
        (0o040755, "drwxr-xr-x"),
        (0o041777, "dtrwxrwxrwx"),
        (0o102755, "grwxr-xr-x"),
        (0o120777, "Lrwxrwxrwx"),
        (0o020620, "Dcrw--w----"),
    ],
)
def test_modes_are_written_as_go_writes_them(mode: int, text: str) -> None:
    """The marks first, then the nine letters."""
    assert mounttest.mode_text(mode) == text


def test_files_are_made_and_told_of(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """In the order that end-to-end tests expect, whatever the order of the flags."""
    file = tmp_path / "new"
    words = [f"--file_owner={file}", f"--file_perm={file}", f"--new_file_0666={file}"]
    out, _ = _run(capfdbinary, "mounttest", *words, f"--fs_type={tmp_path}")
    status = file.stat()
    kind, *rest = out.splitlines()
    assert re.fullmatch(rf'mount type of "{tmp_path}": (\d+|tmpfs)', kind)
    assert rest == [
        f'content of file "{file}": mount-tester new file',
        "",
        f'perms of file "{file}": -rw-rw-rw-',
        f'owner UID of "{file}": {status.st_uid}',
        f'owner GID of "{file}": {status.st_gid}',
    ]
    _run(capfdbinary, "mounttest", f"--file_content_in_loop={file}")
    out, _ = _run(capfdbinary, "mounttest", f"--file_mode={file}.not", code=1)
    assert out == f'error of "{file}.not": no such file or directory\n'


def test_files_are_served(tmp_path: Path) -> None:
    """Folders as lists, or by their index; what is not there is not."""
    (tmp_path / "a&b").mkdir()
    (tmp_path / "x.html").write_text("<p>hi")
    listing = webserver.answer(_get(f"{tmp_path}/")).body.decode()
    assert listing == '<pre>\n<a href="a%26b/">a&amp;b/</a>\n<a href="x.html">x.html</a>\n</pre>\n'
    page = webserver.answer(_get(f"{tmp_path}/x.html"))
    assert (page.body, page.content_type) == (b"<p>hi", "text/html; charset=utf-8")
    moved = webserver.answer(_get(str(tmp_path)))
    assert (moved.status, moved.headers) == (301, (("Location", f"{tmp_path}/"),))
    (tmp_path / "index.html").write_text("index")
    assert webserver.answer(_get(f"{tmp_path}/")).body == b"index"
    assert webserver.answer(_get(f"{tmp_path}/none")).status == 404


@pytest.mark.parametrize(
    ("seen", "ends"),
    [
        ("10.244.1.2", ""),
        ("198.18.0.11", '== my Node ip "198.18.0.11" - SNAT'),
        ("10.0.0.1", "unexpected interface on the way into another node)"),
    ],
)
def test_a_foreign_address_is_told(seen: str, ends: str) -> None:
    """The node's own is told apart from others'."""
    said = no_snat_test.judge(seen, "10.244.1.2", "198.18.0.11")
    assert said.endswith(ends)
    assert bool(said) == bool(ends)


def test_no_snat_test_wants_to_know_whose_it_is(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Its Pod and its node, as addresses."""
    monkeypatch.delenv("POD_IP", raising=False)
    _, told = _run(capfdbinary, "no-snat-test", code=1)
    assert told == "POD_IP env var was not present in the environment\n"
    monkeypatch.setenv("POD_IP", "1.2.3.4")
    monkeypatch.setenv("NODE_IP", "here")
    _, told = _run(capfdbinary, "no-snat-test", code=1)
    assert told == 'NODE_IP env var contained "here", which is not an IP address\n'


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4Ki", 4096), ("100M", 100_000_000), ("1Gi", 1 << 30)]
)
def test_amounts_of_memory(text: str, size: int) -> None:
    """As in a container's limits."""
    assert stress.bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "1Xi", "1 Mi", "-1", "1iM"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """With the amount, and one that would be right."""
    with pytest.raises(ValueError, match="no amount of memory, such as 100Mi"):
        stress.bytes_of(text)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _retrying(port: int, attempts: int = 200) -> socket.socket:
    for _ in range(attempts):
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except ConnectionRefusedError:
            threading.Event().wait(0.02)
    raise AssertionError(f"nobody listens on {port}")


def test_a_connection_is_half_closed(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """The server's runner over HTTP, the client's from the command line."""
    port = _free_port()
    asked = Request("POST", "/run/nat-closewait-server", "HTTP/1.1", {})
    asked.body = b'{"LocalAddr": "127.0.0.1:%d"}' % port
    answers = []
    serving = threading.Thread(target=lambda: answers.append(net.answer(asked)))
    serving.start()
    with _retrying(port) as connection:
        assert connection.recv(1) == b""
    serving.join(10)
    assert answers[0].status == 200
    assert answers[0].body.endswith(
        b"Client connected\nServer sent FIN, waiting 0 seconds\nDone\nok\n"
    )
    options = f'{{"RemoteAddr": "127.0.0.1:{port}"}}'
    words = ["net", "--runner=nat-closewait-client", "--options", options]
    assert "Connection refused" in _run(capfdbinary, *words, code=1)[1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--runner=x"], 'no runner "x"; there are: nat-closewait-client, nat-closewait-server'),
        (["--runner=nat-closewait-client", "--options={"], "invalid options: "),
        (["--runner=nat-closewait-client"], 'RemoteAddr: "" is not HOST:PORT'),
        (["--serve=here"], '--serve: "here" is not HOST:PORT or :PORT'),
        ([], "give --runner, or --serve"),
    ],
)
def test_bad_options_of_net_are_told(
    words: list[str], told: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Each in a sentence."""
    assert told in _run(capfdbinary, "net", *words, code=1)[1]


def test_a_port_is_forwarded_to(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """So many chunks of so many bytes, when the client has said what is expected."""
    port = _free_port()
    wanted = {"BIND_PORT": port, "CHUNKS": 3, "CHUNK_SIZE": 1000, "CHUNK_INTERVAL": 1}
    for name, value in (wanted | {"EXPECTED_CLIENT_DATA": "abc"}).items():
        monkeypatch.setenv(name, str(value))
    codes: list[int] = []
    serving = threading.Thread(target=lambda: codes.append(agnhost.main(["port-forward-tester"])))
    serving.start()
    got = b""
    with _retrying(port) as connection:
        connection.sendall(b"abc")
        while data := connection.recv(4096):
            got += data
    serving.join(10)
    assert (codes, len(got)) == ([0], 3000)
    monkeypatch.setenv("CHUNKS", "many")
    assert 'CHUNKS: "many" is no number' in _run(capfdbinary, "port-forward-tester", code=2)[1]


def test_a_foreign_status_is_told() -> None:
    """Status and body of one GET; nonsense is an error."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer(*texts: bytes) -> None:
            for text in texts:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(text)

        texts = (b"HTTP/1.1 503 No\r\n\r\nbody", b"hello")
        serving = threading.Thread(target=answer, args=texts)
        serving.start()
        assert fetch("127.0.0.1", port, "x", timeout_s=5) == (503, b"body")
        with pytest.raises(ConnectionResetError):
            fetch("127.0.0.1", port, "x", timeout_s=5)
        serving.join(10)


def test_the_file_needs_no_more_than_it_brings(tmp_path: Path) -> None:
    """Every subcommand is in it, under a Python that has only its standard library."""
    agnhost.furnish(str(tmp_path))
    asked = [str(tmp_path / "agnhost-2"), "help"]
    done = subprocess.run(asked, capture_output=True, text=True, env={}, cwd="/", check=True)
    assert {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")} >= {
        "connect",
        "grpc-health-checking",
        "netexec",
    }
    (tmp_path / "blind").write_bytes(
        re.sub(
            rb"(?s)for python in .*?\ndo", b"for python in\ndo", (tmp_path / "agnhost").read_bytes()
        )
    )
    asked = ["sh", str(tmp_path / "blind"), "help"]
    blind = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert blind.returncode == 127
    assert blind.stderr.startswith("agnhost: containers here see no Python 3.11 or newer")
