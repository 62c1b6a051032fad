"""The verbs as a person types them, on a cluster of three nodes."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from netemu_command import ROOT, Netemu, until

from netemu.cli import _program

pytestmark = pytest.mark.root

_PODS = """\
apiVersion: v1
kind: Pod
metadata:
  name: talker
  labels: {role: talker}
  annotations: {kubectl.kubernetes.io/default-container: second}
spec:
  nodeName: worker-1
  containers:
    - {name: first, image: busybox, command: [sh, -c, "echo one; echo two; sleep 1000"]}
    - {name: second, image: busybox, command: [sh, -c, "echo three; sleep 1000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: mortal}
spec:
  containers:
    - name: mortal
      image: busybox
      command: [sh, -c, "echo life; test -e /memory/once && sleep 1000; touch /memory/once; exit 3"]
      volumeMounts: [{name: memory, mountPath: /memory}]
  volumes: [{name: memory, emptyDir: {}}]
"""


@pytest.fixture(scope="module")
def pods(netemu: Netemu, lab: str) -> str:
    """The namespace of a Pod of two containers, which talks."""
    netemu("apply", "-f", "-", stdin=_PODS)
    netemu.kubectl(lab, "wait", "--for=condition=Ready", "pod/talker", "--timeout=20s")
    return lab


# --- apply and delete --------------------------------------------------------------------


def test_apply_says_what_became_of_each_object(netemu: Netemu, lab: str, tmp_path: Path):
    """Created, unchanged, configured; a folder's files in order; then deleted by file."""
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}\n"
    )
    (tmp_path / "b.json").write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}}'
    )
    folder = str(tmp_path)
    assert netemu("apply", "-f", folder).out == "configmap/a created\nconfigmap/b created\n"
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {y: '2'}\n"
    )
    assert netemu("apply", "-f", folder).out == "configmap/a configured\nconfigmap/b unchanged\n"
    assert netemu("get", "configmap", "a", "-o", "json").json["data"] == {"y": "2"}
    assert netemu("delete", "-f", folder).out == "configmap/a deleted\nconfigmap/b deleted\n"
    assert netemu("delete", "cm/a").out == "configmap/a was not there\n"


@pytest.mark.parametrize(
    ("second", "code", "said"),
    [
        ("kind: ConfigMapp\napiVersion: v1\n", 2, 'manifest.yaml:5: unknown kind "ConfigMapp"'),
        ("kind: [\n", 2, "manifest.yaml:6: not YAML"),
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: A_b}\n",
            2,
            'manifest.yaml:7: metadata.name: Invalid value: "A_b"',
        ),
        (
            "kind: ConfigMap\napiVersion: v1\nmetadata: {name: b, namespace: nowhere}\n",
            1,
            'namespaces "nowhere" not found',
        ),
    ],
)
def test_apply_makes_all_or_nothing(
    netemu: Netemu, lab: str, tmp_path: Path, second: str, code: int, said: str
):
    """Whatever is wrong with the second object, the first is not made."""
    file = tmp_path / "manifest.yaml"
    file.write_text(f"kind: ConfigMap\napiVersion: v1\nmetadata: {{name: half}}\n---\n{second}")
    refusal = netemu("apply", "-f", str(file), code=code)
    assert (refusal.out, said in refusal.err) == ("", True), refusal
    assert netemu("get", "configmap/half", code=1).err == ('netemu: configmaps "half" not found\n')


def test_a_namespace_and_what_is_in_it_come_together(netemu: Netemu, lab: str):
    """What is checked beforehand may be in a namespace that is still to come."""
    manifest = (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n"
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: shop}\n"
    )
    assert netemu("apply", "-f", "-", stdin=manifest).out.count("created") == 2
    assert netemu("delete", "namespace", "shop").out == "namespace/shop deleted\n"
    assert netemu("get", "cm", "-n", "shop", code=None).err == "no configmaps in namespace shop\n"


# --- get ---------------------------------------------------------------------------------


def test_get_shows_tables(netemu: Netemu, pods: str):
    """Columns as kubectl has them: narrow, wide, of all namespaces, by label, by name."""
    narrow = netemu("get", "pods", "-l", "role=talker").out.splitlines()
    assert re.split(r"\s{2,}", narrow[0]) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert re.split(r"\s+", narrow[1])[:4] == ["talker", "2/2", "Running", "0"]
    wide = netemu("get", "pod", "talker", "-o", "wide").out.splitlines()
    assert "worker-1" in wide[1]
    everywhere = netemu("get", "po", "-A").out
    assert everywhere.startswith("NAMESPACE")
    assert re.search(r"^kube-system +coredns-", everywhere, re.MULTILINE)
    assert "control-plane" in netemu("get", "nodes").out.splitlines()[1]
    several = netemu("get", "pod/talker", "svc/kubernetes").out
    assert "pod/talker" in several
    assert "service/kubernetes" in several


def test_get_prints_objects(netemu: Netemu, pods: str):
    """JSON, YAML and names can be read by programs."""
    one = netemu("get", "pod", "talker", "-o", "json").json
    assert (one["kind"], one["metadata"]["name"]) == ("Pod", "talker")
    listing = yaml.safe_load(netemu("get", "pods", "-o", "yaml").out)
    assert listing["kind"] == "PodList"
    names = netemu("get", "pods,services", "-o", "name").out.split()
    assert {"pod/talker", "service/kubernetes"} <= set(names)


def test_get_of_nothing_is_said(netemu: Netemu, lab: str):
    """An empty table is a sentence; a missing object is an error, a wrong kind a hint."""
    nothing = netemu("get", "deployments", "-n", "default")
    assert (nothing.out, nothing.err) == ("", "no deployments in namespace default\n")
    assert netemu("get", "pod", "nobody", code=1).err == ('netemu: pods "nobody" not found\n')
    assert netemu("get", "podz", code=2).err == 'netemu: no kind "podz" (did you mean "pods"?)\n'
    assert "not one of" in netemu("get", "pods", "-o", "jsonpath=x", code=2).err


# --- exec --------------------------------------------------------------------------------


def test_exec_passes_streams_and_exit_code_on(netemu: Netemu, pods: str):
    """Standard output and error stay apart, input comes with -i, the exit code is the command's."""
    done = netemu("exec", "talker", "--", "sh", "-c", "echo out; echo err >&2; exit 7", code=7)
    assert done.out == "out\n"
    assert done.err == 'container "second" of: first, second; -c names another\nerr\n'
    text = "one\ntwo\n" * 20_000
    counted = netemu("exec", "-i", "-c", "first", "pod/talker", "--", "sha256sum", stdin=text)
    expected = subprocess.run(["sha256sum"], input=text, capture_output=True, text=True, check=True)
    assert counted.out == expected.stdout
    # Without -i there is no input, and nobody waits for it.
    assert netemu("exec", "-c", "first", "talker", "--", "cat", stdin="x").out == ""


def test_exec_takes_a_file_as_input(netemu: Netemu, pods: str, tmp_path: Path):
    """Input that cannot be waited for, as a file cannot, is simply read."""
    file = tmp_path / "input"
    file.write_bytes(os.urandom(100_000))
    with file.open("rb") as stdin:
        process = netemu.start("exec", "-i", "-c", "first", "talker", "--", "wc", "-c", stdin=stdin)
        out, _ = process.communicate(timeout=20)
    assert out.strip() == "100000"


def test_exec_with_a_terminal(netemu: Netemu, pods: str):
    """-t gives the command a terminal of our size; Ctrl-C goes to it; ours is restored."""
    ours, theirs = pty.openpty()
    before = subprocess.run(["stty", "-g"], stdin=theirs, capture_output=True, check=True).stdout
    subprocess.run(["stty", "rows", "33", "cols", "77"], stdin=theirs, check=True)
    words = ("exec", "-it", "-c", "first", "talker", "--", "sh")
    process = netemu.start(*words, stdin=theirs, stdout=theirs, stderr=theirs)
    terminal = _Terminal(ours)
    try:
        terminal.type("stty size; tty | cut -c 1-8\n")
        terminal.expect(r"33 77\s+/dev/pts")
        terminal.expect(r"# $")
        terminal.type("cat\n")
        terminal.expect(r"cat\r\n")
        terminal.type("typed\n")
        terminal.expect(r"typed\s+typed")
        terminal.type("\x03")
        terminal.expect(r"# $")
        terminal.type("echo code $?\n")
        terminal.expect(r"\ncode 130")
        terminal.type("exit 5\n")
        assert process.wait(10) == 5
        after = subprocess.run(["stty", "-g"], stdin=theirs, capture_output=True, check=True).stdout
        # The size we set is part of neither.
        assert after == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)


class _Terminal:
    """Somebody at a keyboard who waits for what must appear."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def expect(self, pattern: str, *, within_s: float = 10.0) -> None:
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self._seen)):
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, left))
            assert ready, f"no {pattern!r} in {self._seen!r}"
            self._seen += os.read(self._descriptor, 65536).decode(errors="replace")
        self._seen = self._seen[found.end() :]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nobody", "--", "ls"), 1, 'netemu: pods "nobody" not found'),
        (("-c", "third", "talker", "--", "ls"), 1, "third"),
        (("-c", "first", "talker", "--", "no-such-program"), 1, "no-such-program"),
        (("talker",), 2, "Missing argument 'COMMAND...'"),
        (("deployment/nobody", "ls"), 1, 'deployments.apps "nobody" not found'),
        (("node/worker-1", "ls"), 2, "sudo netemu shell worker-1"),
    ],
)
def test_exec_that_cannot_be(
    netemu: Netemu, pods: str, words: tuple[str, ...], code: int, said: str
):
    """One sentence each, and no traceback."""
    refusal = netemu("exec", *words, code=None)
    assert said in refusal.err
    assert "Traceback" not in refusal.err
    assert refusal.code in (code, 126, 127)


# --- logs --------------------------------------------------------------------------------


def test_logs_of_this_life_and_the_last(netemu: Netemu, pods: str):
    """All lines, the last ones, those of the run before, those of a named container."""
    assert netemu("logs", "talker", "-c", "first").out == "one\ntwo\n"
    assert netemu("logs", "pod/talker", "-c", "first", "--tail", "1").out == "two\n"
    default = netemu("logs", "talker")
    assert default.out == "three\n"
    stamped = netemu("logs", "talker", "-c", "first", "--timestamps").out.splitlines()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d) one", stamped[0])
    until(
        lambda: netemu("logs", "mortal", "--previous", code=None).out == "life\n",
        what="the second life",
    )
    assert "nobody" in netemu("logs", "nobody", code=1).err
    assert "third" in netemu("logs", "talker", "-c", "third", code=1).err


def test_logs_that_are_followed(netemu: Netemu, pods: str):
    """-f goes on as more is said, until Ctrl-C, which is no error of ours."""
    following = netemu.start("logs", "-f", "-c", "first", "talker")
    assert following.stdout
    try:
        assert [following.stdout.readline() for _ in range(2)] == ["one\n", "two\n"]
        netemu("exec", "-c", "first", "talker", "--", "sh", "-c", "echo more > /proc/1/fd/1")
        assert following.stdout.readline() == "more\n"
        following.send_signal(signal.SIGINT)
        rest, _ = following.communicate(timeout=10)
        assert (following.returncode, "Traceback" in rest) == (130, False)
    finally:
        following.kill()
        following.wait()
        following.stdout.close()


# --- shell -------------------------------------------------------------------------------


def test_shell_is_at_the_place(netemu: Netemu, pods: str):
    """A node's, a pod's, the switch's network and name; the host's tools; the exit code."""
    assert netemu("shell", "worker-1", "--", "hostname").out == "worker-1\n"
    addresses = netemu("shell", "node/worker-1", "ip", "-br", "addr").out
    assert re.search(r"^cni0 .* 10\.244\.\d+\.1/24", addresses, re.MULTILINE)
    assert "KUBE-SERVICES" in netemu("shell", "worker-2", "iptables-save", "-t", "nat").out
    pod = netemu("shell", "pod/talker", "hostname").out
    assert pod == "talker\n"
    address = netemu("get", "pod", "talker", "-o", "json").json["status"]["podIP"]
    assert address in netemu("shell", "pod/talker", "ip", "addr").out
    assert "eth0" in netemu("shell", "pod/talker", "ls", "/sys/class/net").out
    assert "bridge" in netemu("shell", "switch", "ip", "-d", "link").out
    assert netemu("shell", "worker-1", "sh", "-c", "exit 9", code=9).code == 9
    assert netemu("shell", "-n", "kube-system", "worker-1", stdin="hostname\n").out == "worker-1\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody",), 'no node "nobody"; there are: control-plane, worker-1, worker-2, switch'),
        (("pod/nobody",), 'no pod "nobody" runs in namespace "default"'),
        (("service/x",), '"service/x" is neither a node nor pod/NAME'),
        (("worker-1", "no-such-program"), '"no-such-program" cannot be run'),
    ],
)
def test_shell_that_cannot_be(netemu: Netemu, pods: str, words: tuple[str, ...], said: str):
    """What there is instead is said; exit 2."""
    assert netemu("shell", *words, code=2).err.startswith(f"netemu: {said}")


# --- without a cluster, without root -----------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("frobnicate",), "no verb \"frobnicate\": 'netemu --help' lists them"),
        (("upp",), 'no verb "upp": did you mean "up"?'),
        (("up", "--nodes", "many"), "'many' is not a valid integer"),
        (("up", "x", "--nodes", "0"), "netemu: --nodes: 0 nodes: between 1 and 100 are possible"),
        (("up", "x", "--overlay", "geneve"), '--overlay: no such choice "geneve"; there are: '),
        (("up", "x", "--proxy-mode", "x"), '--proxy-mode: no such choice "x"; there are: '),
        (("up", "x", "--iptables", "x"), '--iptables: no such choice "x"; there are: legacy, nft'),
        (("up", "Capital"), '"Capital" cannot name a cluster: at most 20 lower-case letters'),
        (("up", "-f", "nowhere.yaml"), "nowhere.yaml: cannot be read: No such file or directory"),
        (("down", "a/b"), '"a/b" cannot name a cluster'),
        (("down", "x", "--all"), 'either --all or "x", not both'),
        (("status", "nobody"), 'no cluster named "nobody": there are: '),
        (("get", "pods", "--cluster", "nobody"), 'no cluster named "nobody": there are: '),
        (("run",), "Missing argument 'FILE...'"),
        (("run", "nowhere.yaml"), "nowhere.yaml: cannot be read: No such file or directory"),
        (("demo", "nothing"), "there are: external-client, first-service, "),
        (("apply",), "Missing option '-f'"),
        (("delete",), "name what to delete: KIND/NAME, KIND NAME or -f FILE"),
        (("delete", "pod/a", "b"), '"b" is not KIND/NAME'),
    ],
)
def test_wrong_usage(
    lab: str, words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
):
    """Exit 2, what is wrong and what would be right, no traceback."""
    with pytest.raises(SystemExit) as end:
        _program.main(words)
    refusal = capsys.readouterr().err
    assert (end.value.code, said in refusal) == (2, True), refusal


@pytest.fixture
def nobody() -> list[str]:
    """A command that is netemu's, run by somebody who is not root."""
    program = (
        "import os, sys, netemu.cli._program as program;"
        "[__import__(f'netemu.cli.{verb}') for verb in ('up', 'get', 'exec', 'down', 'run')];"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534); program.main(sys.argv[1:])"
    )
    return [sys.executable, "-c", program]


@pytest.mark.parametrize("words", ["up", "down", "get pods", "exec x ls", "run x.yaml"])
def test_without_root(netemu: Netemu, nobody: list[str], words: str):
    """One sentence says that root is needed and how to be it; exit 3."""
    done = subprocess.run(
        [*nobody, *words.split()],
        capture_output=True,
        text=True,
        env=netemu.environment,
        cwd=ROOT,
        check=False,
    )
    verb = words.split(maxsplit=1)[0]
    assert (done.returncode, done.stdout) == (3, ""), done
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("netemu: root is missing: ")
    assert f"sudo netemu {verb}" in done.stderr
