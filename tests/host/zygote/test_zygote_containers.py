"""Sandboxes and containers on the real kernel: births, ends, and what is in between."""

from __future__ import annotations

import asyncio
import glob
import os
import signal
from pathlib import Path

import pytest
from zygote_pods import CLUSTER, DEFAULT_CAPABILITIES, eventually

from netemu.errors import HostError
from netemu.model.runtime import ContainerPhase, Mount, Resources, SandboxKind

pytestmark = pytest.mark.root


async def test_a_pod_has_namespaces_of_its_own(pods):
    """Network, UTS, IPC, PID and mount namespaces differ from the host's; only lo is there."""
    state, said = await pods.run(
        "sh",
        "-c",
        "hostname; echo $$; ls /sys/class/net; cat /etc/hostname; readlink /proc/self/ns/*",
    )
    lines = said.splitlines()
    assert state.exit_code == 0
    assert lines[:4] == ["web", "1", "lo", "web"]
    for kind in ("net", "uts", "ipc", "pid", "mnt"):
        assert os.readlink(f"/proc/self/ns/{kind}") not in lines[4:]


async def test_a_sandbox_that_exists_is_returned_as_it_is(pods):
    """Creating twice equals creating once."""
    first = await pods.sandbox()
    again = await pods.sandbox()
    assert first == again
    assert len(await pods.runtime.sandboxes()) == 1
    with open(f"/proc/{first.pid}/cmdline", encoding="utf-8") as file:
        assert file.read().rstrip("\0") == "netemu: pause default/web"


async def test_creations_at_the_same_time_are_one(pods):
    """Requests that meet during a birth get the same sandbox."""
    found = await asyncio.gather(*(pods.sandbox() for _ in range(5)))
    assert len({state.pid for state in found}) == 1


async def test_a_container_with_a_terminal(pods):
    """What it writes to its terminal is its log, however late; the zygote lives on."""
    state, said = await pods.run("sh", "-c", "tty; sleep 0.3; echo bye", tty=True, stdin=True)
    assert (state.phase, state.exit_code) == (ContainerPhase.EXITED, 0)
    assert [line.strip() for line in said.splitlines()] == ["/dev/pts/0", "bye"]
    assert (await pods.run("true", name="other"))[0].exit_code == 0


async def test_sysctls_are_the_pods_own(pods):
    """A net sysctl is set in the Pod's namespace and nowhere else."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        before = file.read()
    await pods.sandbox(sysctls={"net.ipv4.ip_unprivileged_port_start": "77"})
    _, said = await pods.run("cat", "/proc/sys/net/ipv4/ip_unprivileged_port_start")
    assert said == "77\n"
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        assert file.read() == before


async def test_a_bad_sysctl_is_said_and_nothing_is_left(pods):
    """A sandbox that cannot be made is an error with its reason, and no sandbox."""
    with pytest.raises(HostError, match=r"net\.ipv4\.nonsense"):
        await pods.sandbox(sysctls={"net.ipv4.nonsense": "1"})
    assert await pods.runtime.sandboxes() == []


async def test_a_node_shares_its_network_with_host_network_pods(pods):
    """`netns_of` joins the node's network namespace but not its IPC."""
    node = await pods.sandbox("worker-1", id="node/worker-1", kind=SandboxKind.NODE)
    pod = await pods.sandbox("agent", netns_of="node/worker-1", host_network=True)

    def namespace(pid, kind):
        return os.readlink(f"/proc/{pid}/ns/{kind}")

    assert namespace(node.pid, "net") == namespace(pod.pid, "net")
    assert namespace(node.pid, "net") != namespace("self", "net")
    assert namespace(node.pid, "ipc") != namespace(pod.pid, "ipc")


async def test_the_hosts_network_is_never_shared(pods):
    """hostNetwork without a node to share is refused."""
    with pytest.raises(HostError, match="no node to share"):
        await pods.sandbox(host_network=True)


async def test_containers_of_a_pod_can_share_their_processes(pods):
    """With shareProcessNamespace pause is process 1, seen by all, its root by none."""
    await pods.sandbox(share_pid=True)
    await pods.start("sleep", "60", name="one")
    await pods.start("sleep", "61", name="two")
    _, said = await pods.shell("cat /proc/1/cmdline; ls /proc/1/root", name="one")
    assert "netemu: pause default/web" in said
    assert "Permission denied" in said
    _, said = await pods.shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", name="one")
    assert "sleep 60" in said
    assert "sleep 61" in said


async def test_a_shared_pause_leads_nowhere_even_for_a_debugger(pods):
    """With CAP_SYS_PTRACE there is nothing behind process 1, and it can do nothing."""
    await pods.sandbox(share_pid=True)
    await pods.start("sleep", "60", capabilities=[*DEFAULT_CAPABILITIES, "SYS_PTRACE"])
    _, said = await pods.shell("cd /proc/1/root/ && ls -a . ../../../..; grep Cap /proc/1/status")
    assert "etc" not in said.split()
    assert {line.split()[1] for line in said.splitlines() if line.startswith("Cap")} == {"0" * 16}


async def test_a_shared_pause_reaps_orphans(pods):
    """Whose parent is gone does not stay a zombie."""
    await pods.sandbox(share_pid=True)
    await pods.start("sleep", "60")
    await pods.shell("sh -c 'sleep 0.1 & exit'; sh -c 'sleep 0.2 & exit'")

    def zombies(pause: int) -> list[str]:
        with open(f"/proc/{pause}/task/{pause}/children", encoding="ascii") as file:
            return file.read().split()

    pause = (await pods.runtime.sandboxes())[0].pid
    await eventually(lambda: not zombies(pause))


async def test_output_without_an_end_does_not_hold_the_zygote(pods):
    """Who goes on writing after its container's end keeps nobody from being served."""
    await pods.sandbox(share_pid=True, cgroup="")
    state = await pods.start("sh", "-c", "yes & yes & exit 3", cgroup="")
    async with asyncio.timeout(5):
        assert (await pods.ended(state.id)).exit_code == 3
        await pods.runtime.remove_sandbox("uid-web")


async def test_a_log_that_cannot_be_written_stops_nothing(pods):
    """The container goes on, and so does the zygote."""
    (pods.folder / "file").write_text("")
    await pods.start("sh", "-c", "echo lost; sleep 60", log_path=str(pods.folder / "file/0.log"))
    assert await pods.shell("echo here") == (0, "here\n")


async def test_exits_are_told_and_recorded(pods):
    """An exit code is pushed as an event and stays in the listing."""
    events = pods.runtime.events()
    told = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    await pods.start("sh", "-c", "exit 3")
    state = await asyncio.wait_for(told, 5)
    await events.aclose()
    assert (state.exit_code, state.phase, state.signal) == (3, ContainerPhase.EXITED, 0)
    assert state.finished_at >= state.started_at > 0
    assert (await pods.runtime.containers())[0] == state


async def test_a_signal_ends_a_container_with_128_plus_n(pods):
    """SIGKILL gives 137, and a handled SIGTERM what the program makes of it."""
    await pods.start("sleep", "60")
    await pods.runtime.signal_container("web-c", signal.SIGKILL)
    state = await pods.ended("web-c")
    assert (state.exit_code, state.signal) == (137, 9)
    await pods.start("sh", "-c", "trap 'exit 5' TERM; echo ready; sleep 60 & wait", name="d")
    while pods.log("web-d") != "ready\n":
        await asyncio.sleep(0.01)
    await pods.runtime.signal_container("web-d", signal.SIGTERM)
    assert (await pods.ended("web-d")).exit_code == 5


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("no-such-program", 'exec: "no-such-program": executable file not found in $PATH'),
        ("/no/such", 'exec: "/no/such": stat /no/such: no such file or directory'),
        ("/etc/passwd", 'exec: "/etc/passwd": permission denied'),
    ],
)
async def test_a_program_that_cannot_start_is_a_start_error(pods, program, reason):
    """A failure to start is a state with the reason and exit code 128."""
    state = await pods.start(program)
    assert (state.error, state.exit_code, state.phase) == (reason, 128, ContainerPhase.EXITED)


async def test_output_is_written_in_the_format_of_the_cri(pods):
    """Each line has its stamp, stream and tag; a last line without an end is one, too."""
    await pods.run("sh", "-c", "echo one; echo two >&2; printf three")
    lines = (pods.folder / "web-c.log").read_text().splitlines()
    assert {line.split(" ", 1)[1] for line in lines} == {
        "stdout F one",
        "stderr F two",
        "stdout F three",
    }
    assert all(line[19] == "." and line[29] == "Z" for line in lines)


async def test_the_environment_is_exactly_what_was_given(pods):
    """Nothing of the zygote's or the daemon's environment leaks in."""
    _, said = await pods.run("/usr/bin/env", env={"B": "2", "A": "x y"})
    assert sorted(said.splitlines()) == ["A=x y", "B=2"]


async def test_an_entrypoint_is_called_with_what_it_prepared(pods):
    """`prepare` runs in the host's network, the function in the Pod's, with its env."""
    state, said = await pods.run(
        entrypoint="zygote_programs:report", args=["a", "b"], env={"X": "1"}
    )
    host = os.readlink("/proc/self/ns/net")
    assert state.exit_code == 7
    assert f"prepared in {host} runs in net:" in said
    assert f"runs in {host}" not in said
    assert "prepared socket 127.0.0.1" in said
    assert "args ['a', 'b'] env [('X', '1')]" in said
    assert "on stderr" in said


async def test_an_entrypoint_ends_as_a_program_does(pods):
    """An exception is a traceback and exit code 1, sys.exit its code."""
    state, said = await pods.run(entrypoint="zygote_programs:fail")
    assert state.exit_code == 1
    assert "RuntimeError: as the test wants" in said
    state, _ = await pods.run(entrypoint="zygote_programs:leave", args=["9"], name="d")
    assert state.exit_code == 9
    state = await pods.start(entrypoint="zygote_programs:nothing", name="e")
    assert state.exit_code == 128
    assert "nothing" in state.error


async def test_the_root_is_a_copy(pods):
    """What a container writes is there for itself, and nowhere else."""
    state, _ = await pods.run(
        "sh", "-c", "echo x > /etc/netemu-was-here && rm /etc/passwd && mkdir /usr/netemu"
    )
    assert state.exit_code == 0
    assert os.path.exists("/etc/passwd")
    assert not os.path.exists("/etc/netemu-was-here")
    _, said = await pods.run("ls", "/etc/passwd", name="d")
    assert said == "/etc/passwd\n"


async def test_a_read_only_root_has_writable_volumes(pods):
    """readOnlyRootFilesystem spares volumes and /dev/shm."""
    (pods.folder / "volume").mkdir()
    state, said = await pods.run(
        "sh",
        "-c",
        "touch /x; touch /data/x && touch /dev/shm/x && echo fine",
        read_only_root=True,
        mounts=[Mount(source=str(pods.folder / "volume"), target="/data")],
    )
    assert state.exit_code == 0
    assert "Read-only file system" in said
    assert "fine" in said
    assert (pods.folder / "volume" / "x").exists()


async def test_volumes_are_mounted(pods):
    """Folders, files over links, read-only ones and tmpfs go where they belong."""
    source = pods.folder / "resolv.conf"
    source.write_text("nameserver 10.96.0.10\n")
    state, said = await pods.run(
        "sh",
        "-c",
        "cat /etc/resolv.conf; cat /a/b/c; echo > /a/b/c; stat -f -c %T /scratch; cat /var/run/s/t",
        mounts=[
            Mount(source=str(source), target="/etc/resolv.conf"),
            Mount(source=str(source), target="/a/b/c", read_only=True),
            Mount(target="/scratch", tmpfs=True, size_bytes=1 << 20),
            Mount(source=str(source), target="/var/run/s/t", read_only=True),
        ],
    )
    assert state.exit_code == 0
    assert said.count("nameserver 10.96.0.10") == 3
    assert "Read-only file system" in said
    assert "tmpfs" in said


async def test_a_part_of_a_volume_is_mounted(pods):
    """A sub-path is found through the volume's own links, and made where it is missing."""
    volume = pods.folder / "volume"
    (volume / "..data").mkdir(parents=True)
    (volume / "..data" / "key").write_text("value")
    (volume / "key").symlink_to("..data/key")
    state, said = await pods.run(
        "sh",
        "-c",
        "cat /key; touch /made/x",
        mounts=[
            Mount(source=str(volume), sub_path="key", target="/key", read_only=True),
            Mount(source=str(volume), sub_path="new/folder", target="/made"),
        ],
    )
    assert (state.exit_code, said) == (0, "value\n")
    assert (volume / "new" / "folder" / "x").exists()


@pytest.mark.parametrize("path", ["out", "out/made", "up", "deep/up"])
async def test_no_link_of_a_volume_leads_out_of_it(pods, path):
    """A sub-path that a container bent is refused, and nothing is made where it leads."""
    volume, outside = pods.folder / "volume", pods.folder / "outside"
    (volume / "deep").mkdir(parents=True)
    outside.mkdir()
    (volume / "out").symlink_to(outside)
    (volume / "up").symlink_to("../outside")
    (volume / "deep" / "up").symlink_to("../../outside")
    mounts = [Mount(source=str(volume), sub_path=path, target="/v")]
    state = await pods.start("touch", "/v/x", mounts=mounts)
    assert state.exit_code == 128
    assert state.error.startswith(f"subPath {path}: ")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("link", ["/proc/self/cwd/", "/proc/1/root/", "/proc/self/fd/3/"])
async def test_no_link_of_a_volume_leads_the_next_one_out(pods, link):
    """Where a volume is to be mounted in another, its links are the container's, not ours."""
    volume, outside = pods.folder / "volume", pods.folder / "outside"
    volume.mkdir()
    outside.mkdir()
    (volume / "out").symlink_to(f"{link}{outside}")
    mounts = [
        Mount(source=str(volume), target="/v"),
        Mount(source=str(volume), target="/v/out/made"),
    ]
    state = await pods.start("true", mounts=mounts)
    assert state.exit_code == 128
    assert state.error == "mount /v/out/made: Too many levels of symbolic links"
    assert list(outside.iterdir()) == []


async def test_a_link_to_a_volume_s_place_is_followed_inside(pods):
    """An absolute link leads from the container's root, however many `..` it has."""
    volume, place = pods.folder / "volume", f"/opt/{pods.folder.name}"
    volume.mkdir()
    (volume / "link").symlink_to(f"/../../..{place}")
    mounts = [
        Mount(source=str(volume), target="/v"),
        Mount(target=place, tmpfs=True),
        Mount(source=str(volume), target="/v/link/made", read_only=True),
    ]
    state, said = await pods.run("sh", "-c", f"ls {place}/made; >{place}/made/x", mounts=mounts)
    assert state.error == ""
    assert said.startswith("link\n")
    assert "Read-only file system" in said
    assert not os.path.exists(place)


async def test_a_missing_volume_is_a_start_error(pods):
    """A source that is not there is named."""
    state = await pods.start("true", mounts=[Mount(source="/no/such", target="/data")])
    assert state.exit_code == 128
    assert "/no/such" in state.error


async def test_the_termination_message_is_read_from_a_file(pods):
    """What is written to /dev/termination-log is in the host's file."""
    file = pods.folder / "message"
    await pods.run(
        "sh", "-c", "echo -n goodbye > /dev/termination-log", termination_message_file=str(file)
    )
    assert file.read_text() == "goodbye"


async def test_shared_memory_is_the_pods(pods):
    """Containers of one Pod share /dev/shm, those of another do not."""
    await pods.start("sleep", "60", name="one")
    await pods.start("sleep", "60", name="two")
    await pods.start("sleep", "60", pod="other")
    await pods.shell("echo hello > /dev/shm/x", name="one")
    assert await pods.shell("cat /dev/shm/x", name="two") == (0, "hello\n")
    code, _ = await pods.shell("cat /dev/shm/x", pod="other")
    assert code != 0


async def test_a_user_has_no_capabilities_but_its_bounds(pods):
    """runAsUser loses the effective set; the groups are those that were asked for."""
    _, said = await pods.run(
        "sh",
        "-c",
        "id -u; id -G; grep -E 'Cap|NoNew' /proc/self/status; echo x > /dev/stdout",
        user_id=1000,
        group_id=2000,
        groups=[3000],
        no_new_privileges=True,
    )
    lines = said.split("\n")
    assert lines[:2] == ["1000", "2000 3000"]
    fields = dict(line.split(":\t") for line in lines if ":\t" in line)
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapInh"] == fields["CapAmb"] == "0" * 16
    assert int(fields["CapBnd"], 16) != 0
    assert fields["NoNewPrivs"] == "1"
    assert lines[-2] == "x"


async def test_an_entrypoint_that_is_not_root_may_not_bind_a_low_port(pods):
    """Functions are as confined as programs are."""
    await pods.sandbox(sysctls={"net.ipv4.ip_unprivileged_port_start": "1024"})
    state, said = await pods.run(entrypoint="zygote_programs:listen_below_1024", user_id=1000)
    assert state.exit_code == 1
    assert "PermissionError" in said


async def test_root_has_the_capabilities_that_were_asked_for(pods):
    """Bounding, permitted and effective sets are equal, MKNOD is never among them."""
    _, said = await pods.run(
        "grep", "Cap", "/proc/self/status", capabilities=["NET_RAW", "MKNOD", "CHOWN"]
    )
    fields = dict(line.split(":\t") for line in said.splitlines())
    assert {fields["CapEff"], fields["CapPrm"], fields["CapBnd"]} == {f"{1 << 13 | 1:016x}"}
    assert fields["CapInh"] == fields["CapAmb"] == "0" * 16


async def test_too_much_memory_is_an_oom_kill(pods):
    """A container over its limit is killed, and its state says why."""
    state, _ = await pods.run("tail", "/dev/zero", resources=Resources(memory_bytes=16 << 20))
    assert (state.exit_code, state.oom_killed) == (137, True)


async def test_a_child_that_wanted_too_much_is_one_too(pods):
    """The shell that started it passes its end on."""
    limit = Resources(memory_bytes=16 << 20)
    state, _ = await pods.run("sh", "-c", "tail /dev/zero; exit $?", resources=limit)
    assert (state.exit_code, state.oom_killed) == (137, True)


async def test_a_container_has_no_more_processor_than_its_limit(pods):
    """A busy loop is throttled, and with the container its group goes."""
    limit = Resources(cpu_quota_us=10_000, cpu_shares=102)
    await pods.start("sh", "-c", "while :; do :; done", resources=limit)
    pattern = f"/sys/fs/cgroup/**/netemu-{CLUSTER}.*/kubepods/besteffort/podweb/c/cpu.stat"
    (statistics,) = glob.glob(pattern, recursive=True)

    def throttled() -> int:
        fields = dict(line.split() for line in Path(statistics).read_text().splitlines())
        return int(fields["nr_throttled"])

    await eventually(lambda: throttled() > 2)
    await pods.runtime.remove_container("web-c")
    assert not os.path.exists(statistics)


async def test_removing_is_repeatable(pods):
    """Removing a sandbox ends its containers; removing what is gone is success."""
    state = await pods.start("sleep", "60")
    await pods.runtime.remove_sandbox("uid-web")
    await pods.runtime.remove_sandbox("uid-web")
    await pods.runtime.remove_container("web-c")
    await pods.runtime.signal_container("web-c", signal.SIGTERM)
    assert await pods.runtime.containers() == []
    assert await pods.runtime.sandboxes() == []
    assert not os.path.exists(f"/proc/{state.pid}")


async def test_a_nul_is_an_invalid_argument(pods):
    """What no kernel takes is said in one sentence, not in a traceback."""
    await pods.start("true", "a\0b")
    state = await pods.ended("web-c")
    assert (state.error, state.exit_code) == ("embedded null byte: invalid argument", 128)


async def test_a_container_needs_its_sandbox(pods):
    """Starting one in a sandbox that is not there is an error."""
    with pytest.raises(HostError, match="there is no sandbox uid-none"):
        await pods.start("true", sandbox="uid-none")


async def test_a_pods_memory_is_small(pods):
    """A pause and a stand-in together stay below 6 MiB (PSS), where there are some."""
    await asyncio.gather(
        *(pods.serve("--port", "80/tcp", pod=f"web-{number}") for number in range(30))
    )
    pids = [s.pid for s in (*await pods.runtime.sandboxes(), *await pods.runtime.containers())]
    total_kib = sum(_pss_kib(pid) for pid in pids)
    assert len(pids) == 60
    assert total_kib / 30 < 6 << 10


def _pss_kib(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
