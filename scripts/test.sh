#!/bin/bash
# Runs all tests in the profile dev and ends with lines that say how many passed, failed, were ignored and skipped.
# Arguments go to `cargo test`.
set -uo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/tmp"
skips=$target/tmp/skipped # one line for each tier that could not start here (tests/support/mod.rs)
log=$target/tmp/test.log
rm -f "$skips"
# Most tests wait for elements: two for each processor keep it busy.
export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}

${CARGO:-cargo} test --workspace --no-fail-fast "$@" 2>&1 | tee "$log"
status=${PIPESTATUS[0]}

echo
echo "==== closing lines"
grep -E '^test .* \.\.\. FAILED' "$log" | sort -u
grep -E '^test result: ' "$log" | awk '
    { for (i = 1; i < NF; i++) { if ($(i + 1) ~ /^passed/) p += $i; if ($(i + 1) ~ /^failed/) f += $i; if ($(i + 1) ~ /^ignored/) g += $i } }
    END { printf "tests: %d passed, %d failed, %d ignored, in %d binaries\n", p, f, g, NR }'
if [ -s "$skips" ]; then
    echo "skipped, for the reason given: $(wc -l <"$skips")"
    cat "$skips"
else
    echo "skipped: 0"
fi
if [ "$status" = 0 ]; then echo "result: ok"; else echo "result: FAILED"; fi
exit "$status"
