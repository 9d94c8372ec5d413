#!/bin/sh
# Builds and runs the fuzz target with stable Rust: `fuzz/run.sh [LIBFUZZER OPTION…]`. See README.md.
set -eu
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --quiet --release --bin front_end --target "$host"

# A file: this input only.
if [ -f "${1:-}" ]; then
    exec "target/$host/release/front_end" "$@"
fi

# The seeds: every model, every case of a corpus file, and every text that once broke something.
seeds=seeds corpus=corpus/front_end
rm -rf "$seeds"
mkdir -p "$seeds" "$corpus" artifacts
cp ../models/*.net ../models/*.model ../src/layers/std.model ../tests/cases/seeds/*.net ../tests/cases/fuzz/*.txt "$seeds"
for cases in wrong ugly; do
    awk -v stem="$seeds/$cases" '/^=== / { file = stem "_" $2 ".txt"; next } file { print > file }' \
        "../tests/cases/$cases.txt"
done

exec "target/$host/release/front_end" -dict=dslc.dict -max_len=4096 -timeout=300 -rss_limit_mb=256 \
    -artifact_prefix=artifacts/ "$@" "$corpus" "$seeds"
