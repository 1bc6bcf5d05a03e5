#!/bin/sh
# Everything that an NVIDIA GPU has to say about the engine, in one command:
#
#     benches/gpu.sh
#
# kernels (matrix products of 256 to 4096 and the MLP's skinny ones, a convolution in three passes), training steps, range tests,
# 64 replicas against one; all of it by the table of device classes first, then with the kernels that `--tune` finds; and beside
# it PyTorch on the same GPU: eager, torch.compile, a CUDA graph, torch-lr-finder, cuBLAS and cuDNN in f32 without TF32. Prints
# tables of ratios and writes all of it to benches/results/<device>.md. Let nothing else run meanwhile.
#
# Needs a Vulkan driver, cargo, and python3 with venv; the first time downloads PyTorch. Settings are those of
# benches/rivals/run.sh; `gpu.sh --quick` is a look that writes no file. Where there is no GPU it measures the CPU driver.
set -eu
cd "$(dirname "$0")/.."
work=benches/rivals/work
mkdir -p "$work"
quick=
[ "${1:-}" != --quick ] || quick=--quick
export XDG_RUNTIME_DIR="${XDG_RUNTIME_DIR:-/tmp}"

# What the ratios depend on beside the code: the card, its driver, its clocks.
if command -v nvidia-smi >/dev/null; then
    fields=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,memory.total
    nvidia-smi --query-gpu=$fields --format=csv
else
    echo "no nvidia-smi: this is not the machine that the script is for"
fi | tee "$work/gpu.txt"

cargo run --release --quiet -- info
echo "by the table of device classes:"
cargo bench --quiet --bench engine -- $quick --json "$PWD/$work/untuned.json" >"$work/untuned.txt" 2>/dev/null
cat "$work/untuned.txt"
echo
echo "tuned, and the rivals:"
RIVALS_UNTUNED="$PWD/$work/untuned.json" benches/rivals/run.sh $quick
