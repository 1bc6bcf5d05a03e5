#!/bin/sh
# Rangefinder and its rivals on this machine, on the same data, one after the other: prints tables of ratios and writes all of it
# to benches/results/<device>.md. Let nothing else run meanwhile.
#
#     benches/rivals/run.sh [--quick] [--tune] [--burn] [STAGE...]
#
# Stages, by default all in turn; what one leaves in benches/rivals/out the next finds, also in another call:
#     ours     kernels, steps, range tests; with --tune before and after measuring which kernels are the fastest; tiny networks
#     pytorch  a plain loop, torch-lr-finder, kernels; on CUDA also torch.compile and a CUDA graph
#     burn     with --burn, or where it has been built: that takes half an hour on two cores, once. On Mesa's CPU driver the rival
#              runs for five minutes, two of them to tune its kernels, and makes fewer steps; on a GPU seconds to a minute
#     table    the ratios
# and one that is never run by itself:
#     build    leaves binaries in benches/rivals/out/bin, for a machine without cargo to which the repository is copied
#
# --quick is a look with few steps and repeats, and writes no file. RANGEFINDER_DATA names a directory with MNIST's four gzipped
# IDX files; without it, ../shared/data/mnist is tried, and then the images are random. PYTHON names a Python with PyTorch; without
# it, python3 is asked whether it has it, and else a venv is made, for which PyTorch is downloaded once. RIVALS_LIMIT is the
# longest time for one rival, in seconds: what it has measured by then is kept. RESULTS names another directory for the file.
set -eu
cd "$(dirname "$0")/../.."
rivals=benches/rivals
out=$rivals/out
results=${RESULTS:-benches/results}
mkdir -p "$out/bin" "$results"

quick='' tune='' burn='' stages=''
for word in "$@"; do
    case $word in
        --quick) quick=--quick; export RIVALS_QUICK=1 ;;
        --tune) tune=--tune ;;
        --burn) burn=yes ;;
        ours | pytorch | burn | table | build) stages="$stages $word" ;;
        *) echo "run.sh: $word is no stage (ours, pytorch, burn, table, build) and no option" >&2; exit 2 ;;
    esac
done
if [ -z "$stages" ]; then
    stages='ours pytorch burn table'
    rm -f "$out"/*.json "$out"/*.jsonl "$out"/*.txt # of an earlier day, or another device
fi

# Mesa prints a line about it at every start without a desktop.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"

# Ours takes a directory as it is given; the rivals find the default by themselves, so say it to all.
if [ -z "${RANGEFINDER_DATA:-}" ] && [ -f ../shared/data/mnist/train-images-idx3-ubyte.gz ]; then
    RANGEFINDER_DATA=$(cd ../shared/data/mnist && pwd)
fi
[ -z "${RANGEFINDER_DATA:-}" ] || export RANGEFINDER_DATA

burn_target=${CARGO_TARGET_DIR:-$rivals/burn/target}

has() {
    command -v "$1" >/dev/null
}

# A binary of `build`'s, unpacked.
packed() {
    [ -f "$out/bin/$1" ] || gzip -dc "$out/bin/$1.gz" >"$out/bin/$1"
    chmod +x "$out/bin/$1"
    echo "$out/bin/$1"
}

# A bench of ours, by its name.
measure() {
    name=$1
    shift
    if has cargo; then
        cargo bench --quiet --bench "$name" -- "$@"
    else
        "$(packed "$name")" "$@"
    fi
}

# Runs a rival, which prints lines of JSON; the others go on without one that fails.
rival() {
    name=$1
    shift
    if has timeout; then
        set -- timeout "${RIVALS_LIMIT:-3600}" "$@"
    fi
    "$@" >"$out/$name.jsonl" || echo "$name ended early (exit status $?); what it has measured is kept" >&2
}

build() {
    rm -f "$out"/bin/*
    for name in engine tiny; do
        binary=$(cargo bench --bench $name --no-run --message-format=json | sed -n 's/.*"executable":"\([^"]*'$name'-[^"]*\)".*/\1/p')
        strip -o "$out/bin/$name" "$binary"
        gzip "$out/bin/$name"
    done
    [ -z "$burn" ] || cargo build --release --manifest-path $rivals/burn/Cargo.toml
    if [ -x "$burn_target/release/rival-burn" ]; then
        strip -o "$out/bin/rival-burn" "$burn_target/release/rival-burn"
        gzip "$out/bin/rival-burn"
    fi
    git rev-parse --short HEAD >"$out/bin/commit"
    ls -l "$out/bin"
}

ours() {
    set -- $quick
    if [ -n "$tune" ]; then
        echo "by the table of device classes:"
        measure engine "$@" --json "$PWD/$out/untuned.json" >"$out/untuned.txt"
        cat "$out/untuned.txt"
        echo
        echo "tuned:"
        set -- "$@" --tune --against "$PWD/$out/untuned.json"
    fi
    measure engine "$@" --kernels --json "$PWD/$out/rangefinder.json" >"$out/rangefinder.txt"
    cat "$out/rangefinder.txt"
    echo
    measure tiny $quick >"$out/tiny.txt" || echo "the bench of tiny networks failed" >&2
    cat "$out/tiny.txt"
}

find_python() {
    [ -z "${PYTHON:-}" ] || return 0
    if python3 -c 'import numpy, torch' 2>/dev/null; then
        PYTHON=python3
        return
    fi
    # The stamp comes last, so that a broken download is tried again.
    if [ ! -f $rivals/.venv/ready ]; then
        python3 -m venv $rivals/.venv
        $rivals/.venv/bin/pip install --quiet -r $rivals/requirements.txt
        touch $rivals/.venv/ready
    fi
    PYTHON=$rivals/.venv/bin/python
}

# What takes the longest to get ready comes last.
pytorch() {
    find_python
    rival eager "$PYTHON" $rivals/plain_loop.py eager
    rival pytorch_lr_finder "$PYTHON" $rivals/pytorch_lr_finder.py
    rival kernels "$PYTHON" $rivals/kernels.py
    rival captured "$PYTHON" $rivals/plain_loop.py captured
    rival compiled "$PYTHON" $rivals/plain_loop.py compiled
}

burn() {
    if [ -n "$burn" ] && has cargo; then
        cargo build --release --manifest-path $rivals/burn/Cargo.toml
    fi
    if [ -x "$burn_target/release/rival-burn" ]; then
        rival burn "$burn_target/release/rival-burn"
    elif [ -f "$out/bin/rival-burn.gz" ]; then
        rival burn "$(packed rival-burn)"
    else
        echo "burn left out: it has not been built (run.sh --burn)" >&2
    fi
}

table() {
    "${PYTHON:-python3}" $rivals/table.py "$out" >"$out/ratios.md"
    cat "$out/ratios.md"
    [ -z "$quick" ] || return 0
    # "NVIDIA GeForce RTX 4090" -> "nvidia-geforce-rtx-4090"
    device=$(sed -n 's/^    "name": "\(.*\)",$/\1/p' "$out/rangefinder.json" | head -n 1)
    file=$results/$(printf '%s' "$device" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/^-//; s/-$//').md
    commit=$(git rev-parse --short HEAD 2>/dev/null || cat "$out/bin/commit" || echo unknown)
    {
        echo "# $device"
        echo
        echo "Taken on $(date -u +%Y-%m-%d) at commit $commit with \`benches/${RIVALS_TOOL:-rivals/run.sh}\`."
        echo "$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores, $(uptime | sed "s/.*load/load/") at the end."
        [ -z "${RIVALS_TOOL:-}" ] || sed 's/^/    /' "$out/gpu.csv"
        echo
        cat "$out/ratios.md"
        echo
        echo '```text'
        cat "$out/rangefinder.txt"
        echo
        cat "$out/tiny.txt"
        echo '```'
    } >"$file"
    echo
    echo "written to $file"
}

for stage in $stages; do
    "$stage"
done
