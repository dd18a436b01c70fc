#!/bin/bash
# Counts the instructions of the hottest paths with callgrind and lays them beside the kept figures.
#
#   instructions.sh            count and compare        UPDATE=1 instructions.sh   keep what was counted
#
# Needs valgrind and iai-callgrind-runner in the version of the library (cargo install --locked iai-callgrind-runner); where
# one of them is missing this says so and ends well: the figures are a help, not a gate.
set -euo pipefail
cd "$(dirname "$0")/.."
kept=benches/instructions.txt
for program in valgrind iai-callgrind-runner; do
    if ! command -v "$program" >/dev/null; then
        echo "instructions: not counted, $program is not installed"
        exit 0
    fi
done
said=$(${CARGO:-cargo} bench --bench instructions 2>&1) || { echo "$said" | tail -n 20; exit 1; }
counted=$(sed 's/\x1b\[[0-9;]*m//g' <<<"$said" | awk '
    /^instructions::/ { name = $1; sub(/^instructions::hot::/, "", name) }
    /^ *Instructions:/ { split($2, n, "|"); print name, n[1] }')
[ -n "$counted" ] || { echo "instructions: nothing was counted:"; echo "$said" | tail -n 20; exit 1; }
if [ "${UPDATE:-}" = 1 ]; then
    {
        echo "# Instructions of one run of each path in benches/instructions.rs; UPDATE=1 scripts/instructions.sh writes this."
        echo "# $(rustc --version)"
        echo "$counted"
    } >"$kept"
fi
awk 'BEGIN { printf "%-32s %14s %14s %8s\n", "instructions of", "now", "kept", "ratio" }
    /^#/ { next }
    FILENAME == ARGV[1] { kept[$1] = $2; next }
    { if ($1 in kept) { r = $2 / kept[$1]; printf "%-32s %14d %14d %8.3f%s\n", $1, $2, kept[$1], r, (r > 1.05 ? "  MORE THAN KEPT" : "") }
      else printf "%-32s %14d %14s\n", $1, $2, "-" }' "$kept" <(echo "$counted")
