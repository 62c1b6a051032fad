#!/bin/sh
# netemu, on a machine that has nothing yet: makes a virtual environment inside this
# checkout, installs what is missing, and hands over. Every verb works as
# `./netemu.sh VERB`; some are this script's own:
#
#     sudo ./netemu.sh test [PYTEST ARGUMENTS]     install, then run the tests
#     sudo ./netemu.sh test --all                  those, the long proofs, and test-vm
#     sudo ./netemu.sh test-vm [PYTEST ARGUMENTS]  tests of a whole host, in a virtual machine
#     sudo ./netemu.sh link                        put `netemu` into /usr/local/bin
#     sudo ./netemu.sh uninstall [--yes]           remove clusters, link, images, environment
#     sudo ./netemu.sh install [--all|--vm]        only install; --all: what tests need, too,
#                                                  --vm: what `netemu vm` needs
#
# test-vm and `netemu vm` need root only where something is to be installed.
# A second run finds its stamp and starts at once.
set -eu

# Somebody may have made a symbolic link to it.
here=$(CDPATH='' cd -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd -P)
verb=${1:-}

say() { printf 'netemu.sh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 3; }
is_root() { [ "$(id -u)" = 0 ]; }
has() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

# --- who ---------------------------------------------------------------------

# The environment belongs to whoever owns the checkout, also when sudo runs us.
owner=$(stat -c %u "$here")
as_owner() {
    if is_root && [ "$owner" != 0 ]; then
        home=$(getent passwd "$owner" | cut -d: -f6)
        setpriv --reuid="$owner" --regid="$(stat -c %g "$here")" --clear-groups \
            env HOME="${home:-/tmp}" "$@"
    else
        "$@"
    fi
}

# --- where -------------------------------------------------------------------

# A folder shared with a virtual machine is seen by two systems: one environment each.
case $(stat -f -c %T "$here") in
    vboxsf | v9fs | 9p | virtiofs | fuseblk | fuse | nfs | vmhgfs | UNKNOWN*)
        id=$(cut -c1-8 /etc/machine-id 2>/dev/null || uname -n)
        venv=$here/.venv-$(uname -m)-$id ;;
    *) venv=$here/.venv ;;
esac
stamp=$venv/netemu-stamp

# --- system packages ---------------------------------------------------------

# packages.txt says what is needed for what: "run", "test" or "vm".
needed_to() {
    for purpose in "$@"; do
        sed -n "s/^$purpose  *\([^ ]*\)  *\([^ ]*\) *$/\1:\2/p" "$here/packages.txt"
    done
}

missing_packages() {
    for pair in $1; do
        has "${pair%%:*}" || printf '%s ' "${pair##*:}"
    done
    # Debian and Ubuntu split ensurepip off: `python3 -m venv` fails without it.
    if [ ! -f "$stamp" ]; then
        python=$(find_python) && as_owner "$python" -c 'import ensurepip' 2>/dev/null ||
            printf 'python3-venv '
    fi
}

install_packages() {
    missing=$(missing_packages "$1")
    [ -n "$missing" ] || return 0
    if ! has apt-get; then
        fail "missing: $missing(Debian's package names); install them with your system's package manager, then run this again"
    fi
    is_root || fail "missing: $missing; run 'sudo $0 $verb' once, it installs them with apt-get"
    say "installing with apt-get: $missing"
    export DEBIAN_FRONTEND=noninteractive
    # One repository that cannot be reached need not be the one that is wanted.
    apt-get update -qq || say "apt-get update failed; going on with what is known"
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
        fail "apt-get could not install $missing; see its message above"
    # For `uninstall`, which says what it leaves.
    # shellcheck disable=SC2086
    printf '%s\n' $missing >>/var/lib/netemu-packages
}

# --- Python ------------------------------------------------------------------

# The owner has to be able to run it: root's own Python may lie where only root can look.
find_python() {
    for candidate in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11; do
        program=$(command -v "$candidate") || continue
        if as_owner "$program" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            printf '%s\n' "$program"
            return
        fi
    done
    return 1
}

wanted_stamp() {
    # What the environment was made from: the dependencies, the place, what it is for.
    printf '%s %s %s\n' "$(cksum <"$here/pyproject.toml")" "$venv" "$1"
}

make_environment() {
    extra=$1
    if [ -f "$stamp" ]; then
        case $(cat "$stamp") in
            "$(wanted_stamp test)") return 0 ;;
            "$(wanted_stamp "$extra")") return 0 ;;
        esac
    fi
    is_root || [ "$(id -u)" = "$owner" ] || [ -w "$here" ] ||
        fail "$here belongs to $(stat -c %U "$here"), who has to run this first, or root"
    python=$(find_python) ||
        fail "needs Python 3.11 or newer; this system's is $(python3 --version 2>&1)"
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        say "making a virtual environment in $venv"
        rm -rf "$venv"
        # A shared folder may refuse symbolic links: then nothing here needs one.
        as_owner mkdir -p "$venv"
        if ! as_owner ln -s lib "$venv/lib64" 2>/dev/null; then
            as_owner mkdir -p "$venv/lib64"
        fi
        as_owner "$python" -m venv --copies "$venv" ||
            fail "could not make the environment; on Debian or Ubuntu: apt-get install python3-venv"
    fi
    say "installing the Python dependencies"
    if [ "$extra" = test ]; then target="${here}[test]"; else target=$here; fi
    as_owner "$venv/bin/python" -m pip install -q --disable-pip-version-check -e "$target" ||
        fail "pip could not install the dependencies; see its message above"
    # What root compiles later goes into folders that belong to the owner.
    as_owner "$venv/bin/python" -m compileall -q "$here/netemu"
    wanted_stamp "$extra" | as_owner tee "$stamp" >/dev/null
}

# --- verbs -------------------------------------------------------------------

# Tests run as root leave caches behind: they belong to whoever owns the checkout.
hand_back() {
    [ "$owner" = 0 ] ||
        find "$here" -user 0 -exec chown -h "$owner:$(stat -c %g "$here")" {} + 2>/dev/null || true
}

# What needs a whole host runs in a virtual machine, on the machine's own namespaces: it has
# no network but its own. Emulated, it is fifteen times slower, and tests wait for longer.
test_vm() {
    "$venv/bin/python" -m netemu vm exec --timeout "${NETEMU_VM_TEST_TIMEOUT_S:-1500}" --may-reboot \
        --env NETEMU_TEST_NAMESPACES=vm --env NETEMU_TEST_PATIENCE=10 \
        -- python3 -m pytest -p no:cacheprovider -v -m vm tests/vm "$@"
}

# Every part runs, whatever became of those before; each tells of itself as it goes.
test_all() {
    summary='' result=0
    part "tests" "$here/tests/in-namespaces.sh" "$venv/bin/python" -m pytest
    part "long proofs" "$here/tests/in-namespaces.sh" \
        "$venv/bin/python" -m pytest -v -m long tests/long
    part "virtual machine" test_vm
    printf '\nnetemu.sh: all parts\n%s' "$summary"
    return $result
}

part() {
    name=$1 began=$(date +%s)
    shift
    printf '\nnetemu.sh: %s: began at %s\n' "$name" "$(date +%H:%M:%S)"
    if "$@"; then how=passed; else how=FAILED result=1; fi
    taken=$(($(date +%s) - began))
    line=$(printf '  %-16s %-7s %2d min %02d s' "$name" "$how" $((taken / 60)) $((taken % 60)))
    printf 'netemu.sh:%s\n' "$line"
    summary="$summary$line
"
}

case $verb in
    test)
        is_root || fail "the tests make namespaces: run 'sudo $0 $*'"
        shift
        trap hand_back EXIT
        if [ "${1:-}" = --all ]; then
            shift
            [ $# = 0 ] || fail "test --all takes nothing else"
            install_packages "$(needed_to run test vm)"
            make_environment test
            cd "$here"
            test_all
        else
            install_packages "$(needed_to run test)"
            make_environment test
            cd "$here"
            "$here/tests/in-namespaces.sh" "$venv/bin/python" -m pytest "$@"
        fi
        ;;
    test-vm)
        shift
        install_packages "$(needed_to run vm)"
        make_environment run
        cd "$here"
        trap hand_back EXIT
        test_vm "$@"
        ;;
    install)
        case ${2:-} in
            --all) purpose=test packages=$(needed_to run test vm) ;;
            --vm) purpose=run packages=$(needed_to run vm) ;;
            '') purpose=run packages=$(needed_to run) ;;
            *) fail "install takes --all, --vm or nothing" ;;
        esac
        install_packages "$packages"
        make_environment "$purpose"
        say "all is there in $venv; 'sudo $0 up' makes a cluster"
        ;;
    uninstall)
        [ -x "$venv/bin/python" ] || fail "there is no $venv: nothing is installed from here"
        NETEMU_CALLED_AS=$0 exec "$venv/bin/python" -m netemu "$@"
        ;;
    link)
        is_root || fail "writing to /usr/local/bin needs root: run 'sudo $0 link'"
        install_packages "$(needed_to run)"
        make_environment run
        printf '#!/bin/sh\nexec "%s/bin/python" -m netemu "$@"\n' "$venv" >/usr/local/bin/netemu
        chmod 755 /usr/local/bin/netemu
        say "netemu is now /usr/local/bin/netemu; 'sudo rm /usr/local/bin/netemu' undoes it"
        ;;
    *)
        if is_root; then
            install_packages "$(needed_to run)"
        fi
        make_environment run
        case $verb in
            -h | --help)
                "$venv/bin/python" -m netemu "$@"
                printf '\n%s also takes: install, link, test, test-vm; its head explains them.\n' "$0"
                exit ;;
        esac
        NETEMU_CALLED_AS=$0 exec "$venv/bin/python" -m netemu "$@"
        ;;
esac
