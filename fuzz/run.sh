#!/bin/sh
# Builds and runs a fuzz target with stable Rust: `fuzz/run.sh [TARGET] [LIBFUZZER OPTION…]`. See README.md.
set -eu
cd "$(dirname "$0")"
target=front_end
case "${1:-}" in
front_end | onnx | keras | darknet | caffe | weights)
    target=$1
    shift
    ;;
esac
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --quiet --release --bin "$target" --target "$host"

# A file: this input only.
if [ -f "${1:-}" ]; then
    exec "target/$host/release/$target" "$@"
fi

seeds=seeds/$target corpus=corpus/$target
rm -rf "$seeds"
mkdir -p "$seeds" "$corpus" artifacts
case $target in
front_end)
    # Every model, every case of a corpus file, and every text that once broke something.
    cp ../models/*.net ../models/*.model ../src/layers/std.model ../tests/cases/seeds/*.net ../tests/cases/fuzz/*.txt "$seeds"
    for cases in wrong ugly; do
        awk -v stem="$seeds/$cases" '/^=== / { file = stem "_" $2 ".txt"; next } file { print > file }' \
            "../tests/cases/$cases.txt"
    done
    more="-dict=dslc.dict -max_len=4096 -rss_limit_mb=256"
    ;;
onnx)
    cp ../tests/fixtures/exchange/*.onnx "$seeds"
    more="-max_len=40000 -rss_limit_mb=1024"
    ;;
keras)
    cp ../tests/fixtures/keras/*.keras ../tests/fixtures/keras/*.h5 "$seeds"
    more="-max_len=48000 -rss_limit_mb=1024"
    ;;
darknet | caffe)
    # The text and the weights as one input, with a byte 0 between them.
    [ "$target" = darknet ] && text=cfg weights=weights || text=prototxt weights=caffemodel
    for file in ../tests/fixtures/"$target"/*."$text"; do
        (cat "$file" && printf '\0' && cat "${file%.*}.$weights") >"$seeds/$(basename "$file")"
    done
    more="-max_len=20000 -rss_limit_mb=1024"
    ;;
weights)
    cp ../tests/fixtures/weights/*.pth ../tests/fixtures/weights/*.npz ../tests/fixtures/weights/*.safetensors \
        ../tests/fixtures/keras/*.keras ../tests/fixtures/keras/*.h5 "$seeds"
    more="-max_len=48000 -rss_limit_mb=1024"
    ;;
esac

# shellcheck disable=SC2086
exec "target/$host/release/$target" $more -timeout=300 -artifact_prefix=artifacts/ "$@" "$corpus" "$seeds"
