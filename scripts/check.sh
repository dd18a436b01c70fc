#!/bin/bash
# What must hold before a change is taken: format, lints, documentation, dependencies, the unit file, the import table.
# Every step runs, even after a failure; the last lines say which failed and which could not run here, and why.
set -uo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
failed=() skipped=()

step() {
    local name=$1
    shift
    echo "==== $name: $*"
    "$@" || failed+=("$name")
}

skip() {
    echo "==== $1: SKIPPED: $2"
    skipped+=("$1 ($2)")
}

step format "$cargo" fmt --check
step lints "$cargo" clippy --workspace --all-targets -- -D warnings
step documentation env RUSTDOCFLAGS="-D warnings" "$cargo" doc --workspace --no-deps
if [ -e tests/layering.rs ]; then step layering "$cargo" test -q --test layering; fi
for script in scripts/*.sh tests/packets/*.sh .ci/run; do step "shell ($script)" bash -n "$script"; done

if "$cargo" deny --version >/dev/null 2>&1; then
    step dependencies "$cargo" deny check bans licenses sources
    if "$cargo" deny fetch db >/dev/null 2>&1; then
        step advisories "$cargo" deny check advisories
    else
        skip advisories "the database of advisories cannot be reached"
    fi
else
    skip dependencies "cargo-deny is not installed: cargo install --locked cargo-deny"
fi

if [ ! -e systemd/andanted.service ]; then
    skip unit "no systemd/andanted.service yet"
elif ! command -v systemd-analyze >/dev/null; then
    skip unit "systemd-analyze is not installed"
else
    # The program is not installed where the unit looks for it: that one complaint does not count.
    verify() {
        local said
        said=$(systemd-analyze verify --man=no --recursive-errors=no systemd/andanted.service 2>&1 |
            grep -vE 'andanted.* is not executable: No such file or directory')
        [ -z "$said" ] || { echo "$said"; return 1; }
    }
    step unit verify
fi

echo
for line in "${skipped[@]}"; do echo "skipped: $line"; done
if [ ${#failed[@]} -gt 0 ]; then
    echo "check: FAILED: ${failed[*]}"
    exit 1
fi
echo "check: ok"
