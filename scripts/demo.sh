#!/bin/bash
# The whole story on three simulated elements: onboard, plan, commit, a change by hand, heal, delete. `make demo` builds
# and runs it. Everything happens on 127.0.0.1 and in a temporary folder; what it starts it ends, also on Ctrl-C.
#
#   demo.sh [debug|release]      which build to use; release is the default
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${CARGO_TARGET_DIR:-target}/${1:-release}
for program in andante andanted; do
    [ -x "$bin/$program" ] || { echo "demo: $bin/$program is not there; run: make demo" >&2; exit 1; }
done

began=$SECONDS
work=$(mktemp -d "${TMPDIR:-/tmp}/andante-demo.XXXXXX")
sim_pid='' daemon_pid=''

end() {
    local status=$? pid
    trap - EXIT INT TERM
    for pid in $daemon_pid $sim_pid; do kill "$pid" 2>/dev/null || true; done
    for pid in $daemon_pid $sim_pid; do wait "$pid" 2>/dev/null || true; done
    if [ "$status" != 0 ]; then
        echo "demo: it went wrong (exit $status); the last words of the daemon and of the simulator:" >&2
        tail -n 20 "$work/andanted.log" "$work/sim.log" >&2 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step() { printf '\n==== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; }

# Runs `andante` against the demo's daemon, shows the command, and wants the exit code given first.
want() {
    local code=$1 got=0
    shift
    show "andante $*"
    "$bin/andante" --socket "$work/andante.sock" "$@" || got=$?
    [ "$got" = "$code" ] || { echo "demo: exit code $got instead of $code" >&2; exit 1; }
}

# Waits for a condition, at most 30 seconds: until WHAT PID COMMAND…   (PID must live meanwhile)
until_true() {
    local what=$1 pid=$2 stop=$((SECONDS + 30))
    shift 2
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || { echo "demo: ended before: $what" >&2; exit 1; }
        [ $SECONDS -lt $stop ] || { echo "demo: not within 30 s: $what" >&2; exit 1; }
        sleep 0.1
    done
}

console() { "$bin/andante" sim "$1" --control "$work/console.sock" "${@:2}"; }

running_into() {
    local element
    mkdir "$work/$1"
    for element in pe1 pe2 pe3; do console show "$element" >"$work/$1/$element"; done
}

step "1. Three simulated elements: pe1 and pe3 speak NETCONF (IOS-XR models), pe2 has a command line (FRR)"
cp config/demo/elements.toml "$work/elements.toml"
(umask 077 && head -c 18 /dev/urandom | base64 >"$work/password")
"$bin/andante" sim --elements "$work/elements.toml" --adapters adapters --running config/demo \
    --control "$work/console.sock" >"$work/sim.out" 2>"$work/sim.log" &
sim_pid=$!
until_true "the simulated elements listen" $sim_pid console list
cat "$work/sim.out"
running_into before

step "2. The daemon, with its store and settings in $work"
# The inventory with the ports that the elements got.
awk 'NR == FNR { at[$1] = $3; next } /^name = / { split($0, part, "\""); name = part[2] }
     /^address = / { $0 = "address = \"" at[name] "\"" } { print }' \
    "$work/sim.out" config/demo/elements.toml >"$work/elements.toml"
cat >"$work/andante.toml" <<SETTINGS
[daemon]
domain = "demo"
[paths]
state = "$work/state"
adapters = "$PWD/adapters"
profiles = "$PWD/yang"
yang = []
elements = "$work/elements.toml"
[presto]
listen = "127.0.0.1:0"
socket = "$work/andante.sock"
[reconcile]
period = 2
SETTINGS
"$bin/andanted" --config "$work/andante.toml" >"$work/andanted.log" 2>&1 &
daemon_pid=$!
until_true "the daemon answers" $daemon_pid "$bin/andante" --socket "$work/andante.sock" element list
echo "andanted answers (pid $daemon_pid)"

step "3. Onboarding: without a pinned host key there is no traffic; look at the key, compare it, pin it"
for element in pe1 pe2 pe3; do
    want 0 element probe "$element" --trust
    key=$(awk -v name="$element" '$1 == name { print $4 }' "$work/sim.out")
    "$bin/andante" --socket "$work/andante.sock" element probe "$element" | grep -qF "$key" ||
        { echo "demo: $element shows another key than $key" >&2; exit 1; }
done
want 0 element list

step "4. Dry-run: what would an L3VPN with three sites change? Nothing is sent"
want 2 plan config/demo/l3vpn.json | tee "$work/plan.txt"
plan=$(sed -n 's/.*andante commit \([0-9a-f]\{8,\}\).*/\1/p' "$work/plan.txt" | tail -n 1)
[ -n "$plan" ] || { echo "demo: the plan has no id" >&2; exit 1; }
running_into planned
diff -r "$work/before" "$work/planned"

step "5. Commit exactly that plan: one transaction on all three, verified by reading back"
want 0 commit "$plan" --ticket DEMO-1
want 0 service list

step "6. Somebody changes pe2 at its console, behind the daemon's back"
by_hand=$'interface eth1.100\n description changed by the night shift\nvrf acme\n no ip route 198.51.100.128/25 192.0.2.6'
printf 'pe2# %s\n' "configure terminal" "${by_hand//$'\n'/$'\npe2# '}"
console edit pe2 "$by_hand"

step "7. Within one period (2 s here) the daemon notices, and touches nothing"
noticed() { # the list's exit code is 2 when it is not empty
    local list
    list=$("$bin/andante" --socket "$work/andante.sock" deviation list) || [ $? = 2 ] || return 1
    grep -q pe2 <<<"$list"
}
until_true "the daemon notices" $daemon_pid noticed
want 2 deviation list

step "8. Heal on request: an ordinary plan in an ordinary transaction"
want 0 deviation heal --element pe2
console show pe2 | sed -n '/^vrf acme/,/^exit/p; /^interface eth1.100/,/^exit/p'
want 0 element check

step "9. Delete the service (the plan's diff is the mirror image of step 4 and left out here)"
want 0 service delete acme --ticket DEMO-2 | sed '/^pe1  class/,/^applied/{/^applied/!d}'
want 0 service list

step "10. Is each element byte for byte as before?"
running_into after
for element in pe1 pe2 pe3; do
    cmp "$work/before/$element" "$work/after/$element"
    echo "$element: $(wc -c <"$work/after/$element") bytes, identical"
done

printf '\nThat was the demo: %s seconds. The elements were simulated; make test does the same on real servers.\n' \
    $((SECONDS - began))
