# Sourced from the repository's root, by bash. Sets CARGO and the environment in which it builds for the browser, and
# installs what is missing.
#
# A compiler that has the target (`rustup target add wasm32-unknown-unknown`) is used as it is. Where there is none and none
# can be had, Debian's rustc-web builds the standard library from its sources.
WASM=wasm32-unknown-unknown
TOOLS=$PWD/target/tools

# `rustc --print target-libdir` names a folder, and succeeds, also for a target that is not there.
has_std() {
    local dir
    dir=$("$1" --print target-libdir --target "$WASM" 2>/dev/null) || return 1
    compgen -G "$dir/libstd-*.rlib" >/dev/null
}

# Another apt may be at work: wait for it.
apt_install() {
    [ "$(id -u)" = 0 ] || { echo "run as root: apt-get install $*" >&2; return 1; }
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$@" >/dev/null
}

CARGO=${CARGO:-cargo}
if ! has_std "${RUSTC:-rustc}"; then
    if ! [ -f /usr/lib/rustlib/src/rust/library/Cargo.toml ] || ! [ -x /usr/bin/cargo ] || ! [ -x /usr/bin/wasm-ld-22 ]; then
        command -v apt-get >/dev/null || {
            echo "no standard library for $WASM: run 'rustup target add $WASM'" >&2
            exit 1
        }
        echo "installing a compiler for $WASM" >&2
        apt_install rustc-web cargo-web rust-web-src lld-22
    fi
    CARGO=/usr/bin/cargo
    export RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1
    export CARGO_UNSTABLE_BUILD_STD=std,panic_abort CARGO_UNSTABLE_PANIC_ABORT_TESTS=true
    export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=wasm-ld-22
fi
# Another compiler and other flags than the native build's: kept apart.
export CARGO_TARGET_DIR=$PWD/target/web

# The command that makes the JavaScript must be of the very version of the library.
bindgen=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/"/, "", $3); print $3 }' Cargo.lock)
export PATH=$TOOLS/bin:$PATH
if [ "$(wasm-bindgen --version 2>/dev/null)" != "wasm-bindgen $bindgen" ]; then
    echo "installing wasm-bindgen $bindgen" >&2
    # Without TLS and unoptimised: a third of the time. Not --locked: its lock file may name what a mirror has not.
    (
        unset RUSTC RUSTDOC RUSTC_BOOTSTRAP CARGO_UNSTABLE_BUILD_STD CARGO_UNSTABLE_PANIC_ABORT_TESTS CARGO_TARGET_DIR
        cargo install --quiet wasm-bindgen-cli --version "$bindgen" --no-default-features --debug --bin wasm-bindgen \
            --root "$TOOLS"
    )
fi

# What drives the browser, of the version in package.json.
npm_tools() {
    [ -d node_modules/playwright-core ] || npm install --silent --no-audit --no-fund --no-package-lock
}
