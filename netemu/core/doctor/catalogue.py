"""The checks of a host, in the order in which they are told."""

from __future__ import annotations

from netemu.core.doctor.findings import Check, Need
from netemu.core.doctor.sights import KERNEL_MIN, OPEN_FILES_MIN, STATE_MIN_BYTES
from netemu.core.node_network import UNDERLAY_POOL

_NEEDED, _OPTIONAL, _NOTE = Need.NEEDED, Need.OPTIONAL, Need.NOTE
_KERNEL, _PROGRAMS = "facilities", "programs"
_HOST, _OURS = "this host", "netemu's own"


def _module(name: str) -> str:
    return f"Try `modprobe {name}`; if there is none, boot your distribution's standard kernel."


def _package(name: str) -> str:
    return f"Install the package {name}."


_REMOVE = "`sudo netemu down NAME` removes what a cluster left, `sudo netemu up NAME` resumes it."
_NOTHING = "Nothing needs to be done unless you want that."

_FACILITIES = (
    Check(
        "root",
        _NOTE,
        "all but this command needs root, and some checks do",
        "Run `sudo netemu doctor`.",
        ("id -u",),
        "An ordinary user can run scenarios in a virtual machine: `netemu vm run FILE`.",
    ),
    Check(
        "kernel",
        _NEEDED,
        "processes are held by pidfd, paths are walked by openat2; older ones were never tried",
        f"Boot Linux {KERNEL_MIN[0]}.{KERNEL_MIN[1]} or newer.",
        ("uname -r",),
    ),
    Check(
        "python",
        _NEEDED,
        "netemu is written for it",
        "Install Python 3.11 or newer.",
        ("python3 --version",),
    ),
    Check(
        "root directory",
        _NEEDED,
        "in a mere chroot nothing can get a root of its own: exec would land in the real one",
        "Run netemu outside of the chroot, or mount its folder onto itself and pivot_root there.",
        ("findmnt /",),
        "`netemu up` refuses before it makes anything.",
    ),
    Check(
        "namespace support",
        _NEEDED,
        "nodes, Pods and containers are made of them",
        "Boot your distribution's standard kernel; in a container, run that one privileged.",
        ("sudo unshare --net --mount --uts --ipc --pid --fork true && echo fine",),
        "In a container without `--privileged` root may make none. `netemu vm run` needs none.",
    ),
    Check(
        "veth",
        _NEEDED,
        "every cable is a veth pair",
        _module("veth"),
        ("sudo modprobe -n -v veth", "sudo unshare --net ip link add type veth && echo fine"),
    ),
    Check(
        "bridge",
        _NEEDED,
        "nodes and Pods hang on bridges",
        _module("bridge"),
        ("sudo unshare --net ip link add type bridge && echo fine",),
    ),
    Check(
        "br_netfilter",
        _NEEDED,
        "Services do not work between Pods of one node without it",
        _module("br_netfilter"),
        ("lsmod | grep br_netfilter", "ls /proc/sys/net/bridge"),
        "A frame that goes from Pod to Pod over one bridge meets netfilter only by it: the"
        " request to a Service would arrive, its answer would come from the wrong address."
        " Where it is a module, `up` loads it and sets the host's own bridges back to what"
        " they were; the last `down` unloads it, if netemu loaded it and nobody uses it.",
    ),
    Check(
        "vxlan",
        _NEEDED,
        "Pods of different nodes meet across it",
        _module("vxlan"),
        ("sudo unshare --net ip link add type vxlan id 1 dstport 8472 && echo fine",),
        "Without it: `netemu up --overlay host-gw` routes between the nodes and needs no VXLAN.",
    ),
    Check(
        "overlayfs",
        _NEEDED,
        "each container's root is an overlay of the host's",
        _module("overlay"),
        ("grep overlay /proc/filesystems",),
    ),
    Check(
        "iptables",
        _NEEDED,
        "Services are iptables rules",
        _package("iptables"),
        ("iptables --version",),
    ),
    Check(
        "iptables rules",
        _NEEDED,
        "Services cannot be made without these matches and targets",
        "Load the named xt_ or ipt_ modules, or boot your distribution's standard kernel.",
        ("sudo unshare --net iptables -t nat -A OUTPUT -m statistic --mode nth --every 2",),
    ),
    Check(
        "conntrack",
        _NEEDED,
        "every Service translates addresses",
        _module("nf_conntrack_netlink"),
        ("sudo unshare --net conntrack -L && echo fine",),
    ),
    Check(
        "addresses",
        _NEEDED,
        f"each cluster's nodes take a /24 of {UNDERLAY_POOL}",
        "Free one, or name another network with `underlay:` in the cluster file.",
        ("ip route show table all | grep '198\\.1[89]\\.'", "ip -br address"),
        "It is the only range that has to be free on the host. A VPN that routes all of it"
        " hides it: name another in the [cluster file](cluster-file.md).",
    ),
    Check(
        "state folder",
        _NEEDED,
        f"what a cluster knows is stored there; {STATE_MIN_BYTES >> 20} MiB have to be free",
        "Free some room, or mount a bigger file system there; a read-only one cannot hold it.",
        ("df -h /var/lib/netemu", "df -i /var/lib/netemu", "du -sh /var/lib/netemu/*"),
        "When it is full, the API server refuses writes with a sentence and goes on serving"
        " reads; Pods and Services that are there go on. It recovers when there is room again."
        " /run, where the rest is, may be noexec, nosuid and nodev.",
    ),
    Check(
        "cgroups",
        _OPTIONAL,
        "containers' limits of processor, memory and processes are not kept without them",
        "Boot with systemd, or mount the cgroup hierarchies.",
        ("findmnt -t cgroup,cgroup2", "cat /sys/fs/cgroup/cgroup.controllers"),
        "Versions 1, 2 and both at once will do. Without: `limits` are stored and not enforced.",
    ),
    Check(
        "iptables-nft",
        _OPTIONAL,
        "clusters with `--iptables nft` need it",
        _module("nf_tables"),
        ("sudo unshare --net iptables-nft-save && echo fine",),
    ),
    Check(
        "iptables-legacy",
        _OPTIONAL,
        "clusters with `--iptables legacy` need it",
        _module("iptable_nat"),
        ("sudo unshare --net iptables-legacy -t nat -L -n && echo fine",),
    ),
    Check(
        "nft",
        _OPTIONAL,
        "it shows and makes nftables rules",
        _package("nftables"),
        ("nft --version",),
    ),
    Check(
        "ipvs",
        _OPTIONAL,
        "kube-proxy's ipvs mode needs it",
        _module("ip_vs"),
        ("sudo modprobe -n -v ip_vs",),
        "All proxy modes that netemu has now work without.",
    ),
    Check(
        "netem",
        _OPTIONAL,
        "delay, loss and reordering are injected with it",
        _module("sch_netem"),
        ("sudo unshare --net tc qdisc add dev lo root netem delay 1ms && echo fine",),
        "Everything else works. `netemu vm run` boots a kernel that has it.",
    ),
    Check(
        "wireguard",
        _OPTIONAL,
        "encrypted overlays need it",
        _module("wireguard"),
        ("sudo unshare --net ip link add type wireguard && echo fine",),
        "All overlays that netemu has now work without.",
    ),
    Check(
        "dummy",
        _OPTIONAL,
        "ipvs mode and node-local DNS keep addresses on it",
        _module("dummy"),
        ("sudo unshare --net ip link add type dummy && echo fine",),
        "All that netemu has now works without.",
    ),
)

_TOOLS = (
    Check(
        "ip",
        _OPTIONAL,
        "you look at namespaces, links and routes with it",
        _package("iproute2"),
        ("ip -V",),
    ),
    Check(
        "kubectl",
        _OPTIONAL,
        "`netemu get` and the like stand in for it",
        _package("kubernetes-client"),
        ("kubectl version",),
        "Any from 1.20 on will do; newer than the API server's 1.34 by more than one minor"
        " version, Kubernetes promises nothing, but nothing is known to fail.",
    ),
    Check(
        "tcpdump",
        _OPTIONAL,
        "you watch packets with it",
        _package("tcpdump"),
        ("tcpdump --version",),
    ),
    Check(
        "dig",
        _OPTIONAL,
        "you ask the cluster's DNS with it",
        _package("bind9-dnsutils"),
        ("dig -v",),
    ),
    Check(
        "conntrack-tools",
        _OPTIONAL,
        "you look at tracked connections with it",
        _package("conntrack"),
        ("conntrack --version",),
    ),
    Check(
        "qemu",
        _OPTIONAL,
        "`netemu vm` boots its virtual machines with it",
        "Run `sudo ./netemu.sh install --vm`.",
        ("qemu-system-x86_64 --version",),
        "Clusters on this host do not need it.",
    ),
    Check(
        "kvm",
        _OPTIONAL,
        "virtual machines are several times slower without it",
        "Turn on virtualisation in the firmware, or nested virtualisation around this machine.",
        ("ls -l /dev/kvm", "grep -c -w -e vmx -e svm /proc/cpuinfo"),
        "`netemu vm` then emulates the processor in software, and works.",
    ),
)

_SURROUNDINGS = (
    Check(
        "machine",
        _NOTE,
        "a container shares its host's kernel, modules and limits",
        "Run that container privileged; modules have to be loaded outside of it.",
        ("systemd-detect-virt", "cat /proc/1/cgroup"),
        "In virtual machines nothing is different from a machine of metal.",
    ),
    Check(
        "PATH",
        _NOTE,
        "netemu finds programs in /usr/sbin by itself, you do not",
        'Add it: `export PATH="$PATH:/usr/sbin"`.',
        ('echo "$PATH"',),
    ),
    Check(
        "open files",
        _NOTE,
        "hundreds of Pods need thousands of descriptors",
        f"Raise the hard limit to {OPEN_FILES_MIN} or more (`ulimit -Hn`, limits.conf).",
        ("ulimit -Hn",),
    ),
    Check(
        "process ids",
        _NOTE,
        "each Pod is two or more processes",
        "Raise it: `sysctl -w kernel.pid_max=4194304`.",
        ("sysctl kernel.pid_max kernel.threads-max", "cat /sys/fs/cgroup/pids.max"),
    ),
    Check(
        "connection table",
        _NOTE,
        "the kernel drops new connections when it is full, of nodes and host alike",
        "Raise it: `sysctl -w net.netfilter.nf_conntrack_max=262144`.",
        (
            "sysctl net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_count",
            "dmesg | grep 'table full'",
        ),
        "The limit is the host's, the count is each namespace's own.",
    ),
    Check(
        "neighbour table",
        _NOTE,
        "all namespaces share it; when it is full, Pods do not find each other's MAC addresses",
        "Raise it: `sysctl -w net.ipv4.neigh.default.gc_thresh3=8192`.",
        (
            "sysctl net.ipv4.neigh.default.gc_thresh3",
            "dmesg | grep 'neighbour table overflow'",
        ),
        "Overlays' own entries are permanent and do not count; each Pod that talks is two.",
    ),
    Check(
        "inotify",
        _NOTE,
        "programs in Pods that watch files (`tail -f`, nginx, IDEs) run out of it",
        "Raise it: `sysctl -w fs.inotify.max_user_instances=1024`.",
        ("sysctl fs.inotify",),
        "netemu's own processes do not use it.",
    ),
    Check(
        "bridge filtering",
        _NOTE,
        "frames of this host's own bridges pass its iptables; Docker and Kubernetes want that,"
        " virtual machines on a bridge often do not",
        "Set it to 0 if nobody here wants that: `sysctl -w net.bridge.bridge-nf-call-iptables=0`.",
        ("sysctl net.bridge.bridge-nf-call-iptables", "ip link show type bridge"),
        "Nodes have a setting of their own, so that netemu needs neither value.",
    ),
    Check(
        "forwarding",
        _NOTE,
        "a FORWARD policy of DROP stops what is routed through this host (Docker's habit)",
        "Nothing needs to be done: no traffic of a cluster is forwarded by the host.",
        (
            "sudo iptables -S FORWARD | head -1",
            "sysctl net.ipv4.ip_forward net.ipv4.conf.all.rp_filter",
        ),
        "Nodes are cabled to a switch in a namespace of its own; `ip_forward` and `rp_filter`"
        " of the host reach nothing in there. Requests to NodePorts leave the host by OUTPUT.",
    ),
    Check(
        "iptables flavours",
        _NOTE,
        "iptables-nft and iptables-legacy both hold rules of this host, and each packet"
        " passes both; what one shows is not all",
        "Choose one for the host: `update-alternatives --config iptables`; reboot.",
        (
            "sudo iptables-legacy-save | head",
            "sudo iptables-nft-save | head",
            "sudo nft list tables",
        ),
        "A cluster's nodes start without rules, and use one flavour each; theirs never mix.",
    ),
    Check(
        "firewalls",
        _NOTE,
        "the nodes' switch has a namespace of its own, so that they cannot break it; but they"
        " may drop what Pods send to the host",
        _NOTHING,
        (
            "sudo iptables -S INPUT",
            "sudo nft list ruleset | less",
            "systemctl status firewalld ufw",
        ),
        "Pods reach the host only for DNS, over sockets that need no packets. A firewall"
        " whose OUTPUT is closed makes NodePorts dead from the host.",
    ),
    Check(
        "container engines",
        _NOTE,
        "they make rules, bridges and namespaces on the same host",
        "Nothing needs to be done: names, addresses and rules of both are kept apart.",
        ("docker network ls", "ip -br link show type bridge", "ls /run/netns"),
        "netemu touches nothing that does not bear its name. A kubelet of a real cluster on"
        " the same host is no obstacle either; only its context in `~/.kube/config` steps aside"
        " while a cluster of netemu is current.",
    ),
    Check(
        "routes of Pods",
        _NOTE,
        "this host has routes to what are Pod or Service addresses inside of clusters",
        "Give the cluster others if its Pods are to reach those: `podCIDR`, `serviceCIDR` in"
        " the cluster file.",
        ("ip route show table all | grep -E '10\\.(244|96)\\.'",),
        "The two never meet: Pod and Service ranges exist in nodes only. A VPN or a real"
        " cluster with the same addresses goes on working.",
    ),
    Check(
        "link daemons",
        _NOTE,
        "a program that configures every link that appears may take the cluster's for its own",
        "Tell it to leave links named netemu-* alone (`unmanaged-devices`, `Unmanaged=yes`).",
        ("networkctl list", "nmcli device status", "ip -br link | grep netemu-"),
        "Only one link of each cluster is on the host; NetworkManager and systemd-networkd"
        " leave veth links alone unless they are told otherwise. All others are made inside"
        " namespaces, where udev does not see them.",
    ),
    Check(
        "security modules",
        _NOTE,
        "an enforcing policy may refuse what programs in containers do, with EACCES",
        "Look for denials: `journalctl -k | grep -i -e denied -e avc`.",
        ("cat /sys/kernel/security/lsm", "cat /sys/kernel/security/lockdown", "getenforce"),
        "AppArmor's profiles are for named programs (tcpdump's is known to refuse files"
        " outside of home folders); SELinux leaves root's own processes unconfined.",
    ),
    Check(
        "name servers",
        _NOTE,
        "Pods resolve only the cluster's own names then",
        "Name one in /etc/resolv.conf or under `dns:` in the cluster file.",
        ("cat /etc/resolv.conf", "resolvectl status"),
        "A stub on 127.0.0.53 (systemd-resolved) works: the cluster's DNS servers ask it"
        " over sockets that are opened on the host.",
    ),
)

_OF_NETEMU = (
    Check(
        "clusters",
        _NOTE,
        "each may be running, stopped or crashed",
        _REMOVE,
        ("sudo netemu status",),
    ),
    Check(
        "leftovers",
        _NOTE,
        "nobody knows this cluster any more",
        _REMOVE,
        ("ip netns | grep netemu-", "ip link | grep netemu-", "ls /sys/fs/cgroup | grep netemu-"),
    ),
    Check(
        "contexts",
        _NOTE,
        "kubectl has contexts of clusters that are gone",
        "`kubectl config delete-context NAME` removes one; `kubectl config get-contexts` lists.",
        ("kubectl config get-contexts",),
        "`down` removes the context of its cluster; one stays where the home folder was"
        " another, or KUBECONFIG named another file then.",
    ),
)

CATALOGUE: tuple[Check, ...] = tuple(
    Check(c.name, c.need, c.why, c.remedy, c.look, c.follows, group)
    for group, checks in (
        (_KERNEL, _FACILITIES),
        (_PROGRAMS, _TOOLS),
        (_HOST, _SURROUNDINGS),
        (_OURS, _OF_NETEMU),
    )
    for c in checks
)

FOR_UP = (
    "namespace support",
    "root directory",
    "veth",
    "bridge",
    "br_netfilter",
    "vxlan",
    "overlayfs",
)
"""What `netemu up` makes sure of first, in the time of a blink."""
