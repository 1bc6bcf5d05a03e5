#!/usr/bin/env bash
# Builds the npm package into pkg/: scripts/build-web.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/web-env.sh
LIMIT=$((400 * 1024)) # bytes of wasm, gzipped

"$CARGO" build --locked --quiet --lib --no-default-features --features web --target "$WASM" --profile web
# No wasm-opt behind it: that takes 8 % off the file and adds 3 % to the gzipped one, which is what travels.
wasm-bindgen --target web --no-typescript --remove-name-section --remove-producers-section --out-dir pkg/wasm \
    --out-name rangefinder "$CARGO_TARGET_DIR/$WASM/web/rangefinder.wasm"

bytes() { wc -c <"$1"; }
gzipped() { gzip -9 -c "$1" | wc -c; }
for file in pkg/wasm/rangefinder_bg.wasm pkg/wasm/rangefinder.js; do
    echo "$file: $(bytes "$file") bytes, $(gzipped "$file") gzipped"
done
size=$(gzipped pkg/wasm/rangefinder_bg.wasm)
if [ "$size" -gt "$LIMIT" ]; then
    echo "the wasm is $size bytes gzipped; the limit is $LIMIT" >&2
    exit 1
fi
