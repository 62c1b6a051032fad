#!/bin/sh
# Run a command in network, mount and PID namespaces of its own: no packet of a
# test can leave by the host's default route, no process can outlive the run,
# and /run and /var/lib/netemu are empty and gone afterwards.
#
#     sudo tests/in-namespaces.sh .venv/bin/pytest tests/host
set -eu
[ "$(id -u)" = 0 ] || { echo "in-namespaces.sh: needs root: it makes namespaces" >&2; exit 3; }
# Removing a directory unmounts what another run has mounted on it: the last one does it.
exec 9</var/lib
flock --shared 9
mkdir -p /var/lib/netemu
trap 'flock --nonblock 9 && rmdir /var/lib/netemu 2>/dev/null || true' EXIT
unshare --net --mount --pid --fork --kill-child --mount-proc --propagation private -- sh -c '
  set -eu
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/netns /run/lock
  mount -t tmpfs -o mode=755 tmpfs /var/lib/netemu
  ip link set lo up
  export NETEMU_TEST_NAMESPACES=1
  # Not exec: the first process of a PID namespace has orphans to wait for.
  "$@"; exit $?' in-namespaces "$@"
