#!/bin/sh
# Rangefinder and its rivals on this machine, on the same data, one after the other: prints a table of ratios and
# writes all of it to benches/results/<device>.md. Let nothing else run meanwhile.
#
# Needs python3 with venv; the first time downloads PyTorch. RANGEFINDER_DATA names a directory with MNIST's four
# gzipped IDX files; without it, ../shared/data/mnist is tried, and then the images are random. `run.sh --quick` is a
# look with few steps and repeats, and writes no file.
set -eu
cd "$(dirname "$0")/../.."
rivals=benches/rivals
work=$rivals/work
mkdir -p "$work" benches/results

quick=
if [ "${1:-}" = --quick ]; then
    quick=--quick
    export RIVALS_QUICK=1
fi

# Mesa prints a line about it at every start without a desktop.
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"

# Ours takes a directory as it is given; the rivals find the default by themselves, so say it to all.
if [ -z "${RANGEFINDER_DATA:-}" ] && [ -f ../shared/data/mnist/train-images-idx3-ubyte.gz ]; then
    RANGEFINDER_DATA=$(cd ../shared/data/mnist && pwd)
fi
[ -z "${RANGEFINDER_DATA:-}" ] || export RANGEFINDER_DATA

# The stamp comes last, so that a broken download is tried again.
if [ ! -f $rivals/.venv/ready ]; then
    python3 -m venv $rivals/.venv
    $rivals/.venv/bin/pip install --quiet -r $rivals/requirements.txt
    touch $rivals/.venv/ready
fi

# benches/gpu.sh has measured without a tuning and wants the ratios.
set --
[ -z "${RIVALS_UNTUNED:-}" ] || set -- --tune --against "$RIVALS_UNTUNED"
cargo bench --quiet --bench engine -- $quick "$@" --kernels --json "$PWD/$work/rangefinder.json" >"$work/rangefinder.txt"
cat "$work/rangefinder.txt"
for rival in plain_loop pytorch_lr_finder kernels; do
    $rivals/.venv/bin/python "$rivals/$rival.py" >"$work/$rival.json"
done
$rivals/.venv/bin/python $rivals/table.py "$work/rangefinder.json" "$work/kernels.json" "$work/plain_loop.json" \
    "$work/pytorch_lr_finder.json" >"$work/ratios.md"

if [ -n "$quick" ]; then
    cat "$work/ratios.md"
    exit 0
fi

# "NVIDIA GeForce RTX 4090" -> "nvidia-geforce-rtx-4090"
device=$(sed -n 's/^    "name": "\(.*\)",$/\1/p' "$work/rangefinder.json" | head -n 1)
file=benches/results/$(printf '%s' "$device" | tr '[:upper:]' '[:lower:]' | tr -cs 'a-z0-9' '-' | sed 's/^-//; s/-$//').md
{
    echo "# $device"
    echo
    tool=$([ -z "${RIVALS_UNTUNED:-}" ] && echo rivals/run.sh || echo gpu.sh)
    echo "Taken on $(date -u +%Y-%m-%d) at commit $(git rev-parse --short HEAD) with \`benches/$tool\`."
    echo "$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores, $(uptime | sed "s/.*load/load/") at the end."
    [ -z "${RIVALS_UNTUNED:-}" ] || sed 's/^/    /' "$work/gpu.txt"
    echo
    cat "$work/ratios.md"
    echo
    echo '```text'
    cat "$work/rangefinder.txt"
    echo '```'
} >"$file"
echo
cat "$work/ratios.md"
echo
echo "written to $file"
