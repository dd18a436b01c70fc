#!/bin/bash
# Fuzzes what reads the words of others: fuzz.sh [TARGET…]; without a target all of them, one after the other.
#
#   SECONDS_EACH=600   how long each target runs       JOBS=1   processes of one target at a time
#
# Needs cargo-fuzz (installed when it is missing). The stable toolchain serves: the compiler is told to take the flags of
# the instrumentation. New inputs are kept below the target folder; what shall stay in the repository is chosen by hand
# (`cargo fuzz cmin`). A finding ends the run with its input below fuzz/artifacts and exit code 1.
set -euo pipefail
cd "$(dirname "$0")/.."
export RUSTC_BOOTSTRAP=1
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
unset CARGO_TARGET_DIR
seconds=${SECONDS_EACH:-600} jobs=${JOBS:-1}

if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "fuzz: installing cargo-fuzz"
    cargo install --locked cargo-fuzz
fi
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cargo fuzz list)

# Rust without unsafe code needs no address sanitizer; the coverage alone is faster.
cargo fuzz build --sanitizer none --target-dir "$folder" >/dev/null
failed=()
for target in "${targets[@]}"; do
    mkdir -p "$folder/corpus/$target" "fuzz/corpus/$target"
    echo "fuzz: $target for $seconds s"
    if ! cargo fuzz run --sanitizer none --target-dir "$folder" --jobs "$jobs" "$target" \
        "$folder/corpus/$target" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=8192 -print_final_stats=1 \
        >"$folder/$target.log" 2>&1; then
        failed+=("$target")
        tail -n 40 "$folder/$target.log"
    fi
    grep -E "^stat::(number_of_executed_units|peak_rss_mb)|cov: " "$folder/$target.log" | tail -n 3
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "fuzz: findings in ${failed[*]}; inputs stand below fuzz/artifacts"
    exit 1
fi
echo "fuzz: no finding in ${targets[*]}"
