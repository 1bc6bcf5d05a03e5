#!/bin/sh
# Everything that an NVIDIA GPU has to say about the engine, in one command:
#
#     benches/gpu.sh
#
# kernels (matrix products of 256 to 4096 and the MLP's skinny ones, a convolution in three passes), training steps, range tests of
# the MLP, the CNN and ResNet-9, 64 replicas against one; all of it by the table of device classes first, then with the kernels that
# `--tune` finds; what many steps in one launch give a tiny network (benches/tiny.rs); and beside it PyTorch on the same GPU: eager,
# torch.compile, a CUDA graph, torch-lr-finder, cuBLAS and cuDNN in f32 without TF32; and burn's wgpu backend, where it has been
# built. Prints tables of ratios and writes all of it to benches/results/<device>.md. Let nothing else run meanwhile.
#
# Options, stages and settings are those of benches/rivals/run.sh: `gpu.sh --quick` is a look that writes no file. Needs a Vulkan
# driver, cargo, and python3 with PyTorch or the means to download it.
#
# A borrowed machine without cargo or network: `benches/rivals/run.sh --burn build` on one that has both, copy the repository with
# benches/rivals/out/bin there, and run `gpu.sh`. Where no command may run for longer than ten minutes, `gpu.sh ours`, then
# `gpu.sh pytorch`, then `gpu.sh burn table`; no rival gets more than RIVALS_LIMIT seconds (120).
set -eu
cd "$(dirname "$0")/.."
out=benches/rivals/out
mkdir -p "$out"

# What the ratios depend on beside the code: the card, its driver, its clocks.
if command -v nvidia-smi >/dev/null; then
    fields=name,driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.limit,memory.total
    nvidia-smi --query-gpu=$fields --format=csv
else
    echo "no nvidia-smi: this is not the machine that the script is for"
fi >"$out/gpu.csv"
cat "$out/gpu.csv"

RIVALS_TOOL=gpu.sh RIVALS_LIMIT=${RIVALS_LIMIT:-120} exec benches/rivals/run.sh --tune "$@"
