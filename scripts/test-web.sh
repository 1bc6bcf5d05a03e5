#!/usr/bin/env bash
# The tests of tests/main.rs in headless Chromium, on its software adapter: scripts/test-web.sh [filter ...]
# A filter is a part of a test's name; one with a - in front takes such tests out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/web-env.sh
npm_tools
command -v "${CHROMIUM:-chromium}" >/dev/null || apt_install chromium

# custom_test_frameworks is unstable: whichever compiler it is, it must be told that we know.
export RUSTC_BOOTSTRAP=1
test=$("$CARGO" test --locked --quiet --no-run --no-default-features --test rangefinder --target "$WASM" --profile web \
    --message-format json | sed -n 's/.*"executable":"\([^"]*\.wasm\)".*/\1/p' | tail -1)
out=$CARGO_TARGET_DIR/tests
wasm-bindgen --target web --no-typescript --out-dir "$out" --out-name tests "$test"
node tests/browser/run.mjs "$out" "$@"
