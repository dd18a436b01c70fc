#!/bin/bash
# FRR 10.3, whose mgmtd has a candidate, a commit check and a rollback: Debian trixie in a folder below the build's target
# folder, by debootstrap from its default mirror (some 150 MB to fetch, some 400 MB on the disk). Doing it again changes
# nothing; a folder that was not finished is made anew. Needs root.
#
#   frr10.sh [--dry-run]      --dry-run only says what it would do; 1 = something is missing
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
root=$target/frr10
part=$root.part
log=$target/frr10.log

say() { echo "setup: $*"; }

if [ -x "$root/usr/lib/frr/mgmtd" ]; then
    say "FRR 10.3 is here ($root)"
    exit 0
fi
if [ "${1:-}" = --dry-run ]; then
    say "would make a Debian trixie with FRR 10.3 in $root"
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    say "no root here; please run as root:  scripts/setup.sh extra" >&2
    exit 1
fi
failed() {
    say "FRR 10.3 could not be installed; the last lines of $log:" >&2
    tail -n 5 "$log" >&2
    exit 1
}
say "making a Debian trixie with FRR 10.3 in $root (some minutes; $log)"
# Nothing is ever mounted below it, so it can be removed like any folder.
rm -rf "$part"
mkdir -p "$target"
debootstrap --variant=minbase trixie "$part" >"$log" 2>&1 || failed
# Nothing that is installed there starts by itself.
printf '#!/bin/sh\nexit 101\n' >"$part/usr/sbin/policy-rc.d"
chmod 755 "$part/usr/sbin/policy-rc.d"
DEBIAN_FRONTEND=noninteractive chroot "$part" \
    apt-get install -q -y --no-install-recommends frr >>"$log" 2>&1 || failed
chroot "$part" apt-get clean
# Not before everything is in its place does the folder get its name.
mv "$part" "$root"
say "FRR $(chroot "$root" dpkg-query -W -f='${Version}' frr) is here ($root)"
