#!/bin/bash
# What the machine must have before a build (`setup.sh build`) or before the tests (`setup.sh test`): looks, says what is
# missing, installs it. Doing it again changes nothing. Debian 12.
#
#   setup.sh [--dry-run] build|test|packets|extra      --dry-run only says what it would do; 1 = something is missing
#
# As root the missing Debian packages are installed; without root the line to run is printed and the script stops.
# What comes from PyPI goes below the build's target folder and touches nothing of the machine.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}

build_packages=(build-essential pkg-config cmake libpcre2-dev)
test_packages=(netconfd libyuma-base openssh-server openssh-client frr frr-pythontools iproute2 iputils-ping
    python3 python3-venv ca-certificates)
packet_packages=(user-mode-linux uml-utilities kmod openvswitch-switch ethtool iperf3 tcpdump)
extra_packages=(debootstrap debian-archive-keyring)

say() { echo "setup: $*"; }

# Prints those of its arguments that are not installed.
missing_of() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

debian() {
    if ! command -v dpkg-query >/dev/null; then
        say "this is no Debian: nothing is installed; needed are what Debian 12 calls: $*"
        return
    fi
    local missing
    mapfile -t missing < <(missing_of "$@")
    if [ ${#missing[@]} -eq 0 ]; then
        say "all Debian packages are here ($*)"
        return
    fi
    say "missing Debian packages: ${missing[*]}"
    local install="apt-get install -y --no-install-recommends ${missing[*]}"
    if [ "$dry" = yes ]; then
        say "would run: $install"
        lacking=yes
    elif [ "$(id -u)" = 0 ]; then
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -q
        $install
    else
        say "no root here; please run:  sudo apt-get update && sudo $install" >&2
        exit 1
    fi
}

# The lab starts its own Open vSwitch where it needs one: the one that the package brings shall not run because of us. Where
# it is installed already it is somebody's, and left alone.
packets() {
    local switch policy=/usr/sbin/policy-rc.d
    switch=$(missing_of openvswitch-switch)
    if [ -z "$switch" ] || [ "$dry" = yes ] || [ "$(id -u)" != 0 ]; then
        debian "${packet_packages[@]}"
        return
    fi
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod 755 $policy
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    debian "${packet_packages[@]}"
    if [ -d /run/systemd/system ]; then
        systemctl disable --now openvswitch-switch ovs-vswitchd ovsdb-server || true
    fi
}

# ncclient, the independent NETCONF client, in a Python environment below the target folder.
ncclient() {
    local own=$target/lab-python
    if "$own/bin/python3" -c 'import ncclient' 2>/dev/null; then
        say "ncclient is here ($own)"
        return
    fi
    if [ "$dry" = yes ]; then
        say "would install ncclient from PyPI into $own"
        lacking=yes
        return
    fi
    say "installing ncclient from PyPI into $own"
    local python
    for python in python3 /usr/bin/python3; do
        rm -rf "$own"
        if "$python" -m venv "$own" && "$own/bin/python3" -m pip install -q ncclient; then return; fi
        say "$python cannot make an environment"
    done
    rm -rf "$own"
    say "without an environment: for $(command -v python3) as it is"
    if python3 -c 'import ncclient' 2>/dev/null; then return; fi
    python3 -m pip install -q ncclient || python3 -m pip install -q --break-system-packages ncclient
}

dry=no lacking=no
if [ "${1:-}" = --dry-run ]; then dry=yes; shift; fi
case ${1:-} in
build) debian "${build_packages[@]}" ;;
test)
    debian "${build_packages[@]}" "${test_packages[@]}"
    ncclient
    if [ "$dry" = yes ]; then
        scripts/yang-models.sh --dry-run || lacking=yes
    else
        scripts/yang-models.sh
    fi
    ;;
packets) packets ;;
extra)
    debian "${extra_packages[@]}"
    if [ "$dry" = yes ]; then
        scripts/frr10.sh --dry-run || lacking=yes
    else
        scripts/frr10.sh
    fi
    ;;
*)
    echo "usage: $0 [--dry-run] build|test|packets|extra" >&2
    exit 64
    ;;
esac
[ "$lacking" = no ]
