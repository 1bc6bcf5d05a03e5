"""Matrix products and a convolution by PyTorch: cuBLAS and cuDNN on a GPU, in f32 without TF32. Prints a line of JSON each.

The workloads have the names that `rangefinder bench` gives them, each pass that of the kernel's stem. On a GPU many launches
are timed between two events, so that the host's part is not counted, as rangefinder's timestamps do not count it.
"""

import statistics
import sys
import time

import torch

import common

MATMULS = [(n, n, n) for n in (256, 512, 1024, 2048, 4096)] + [(64, 784, 256), (64, 256, 128), (64, 128, 10)]
CONVS = [(64, 1, 28, 32), (64, 32, 14, 64)]


def microseconds(device, f):
    """Median, min and max over rounds of the time of one call."""
    for _ in range(3):
        f()
    common.synchronize(device)
    start = time.perf_counter()
    f()
    common.synchronize(device)
    calls = max(1, min(200, int((0.002 if common.QUICK else 0.02) / max(time.perf_counter() - start, 1e-6))))
    rounds = []
    for _ in range(3 if common.QUICK else 11):
        if device == "cuda":
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            begin.record()
            for _ in range(calls):
                f()
            end.record()
            torch.cuda.synchronize()
            rounds.append(1e3 * begin.elapsed_time(end) / calls)
        else:
            start = time.perf_counter()
            for _ in range(calls):
                f()
            rounds.append(1e6 * (time.perf_counter() - start) / calls)
    return {"median": statistics.median(rounds), "min": min(rounds), "max": max(rounds), "repeats": len(rounds)}


def matmul(m, k, n, device):
    x, w, dy = (torch.randn(shape, device=device) for shape in [(m, k), (n, k), (m, n)])
    bias = torch.randn(n, device=device)
    passes = {
        "linear": lambda: torch.addmm(bias, x, w.t()),
        "linear_dw": lambda: (dy.t() @ x, dy.sum(0)),
        "linear_dx": lambda: dy @ w,
    }
    return f"matmul {m}x{k}x{n}", passes


def conv2d(batch, channels, side, out, device):
    x = torch.randn(batch, channels, side, side, device=device)
    w = torch.randn(out, channels, 3, 3, device=device)
    bias = torch.randn(out, device=device)
    dy = torch.randn(batch, out, side, side, device=device)

    def backward(x_, w_, b_):
        settings = ([out], [1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        return lambda: torch.ops.aten.convolution_backward(dy, x, w, *settings, [x_, w_, b_])

    passes = {
        "conv2d": lambda: torch.nn.functional.conv2d(x, w, bias, padding=1),
        "conv2d_dw": backward(False, True, True),
        "conv2d_dx": backward(True, False, False),
    }
    return f"conv2d {batch}x{channels}x{side}x{side}->{out}", passes


def main():
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}
    for device in common.devices():
        matmuls = [shape for shape in MATMULS if device == "cuda" or max(shape) <= 1024]
        cases = [matmul(*shape, device) for shape in matmuls] + [conv2d(*shape, device) for shape in CONVS]
        for workload, passes in cases:
            for stem, f in passes.items():
                us = microseconds(device, f)
                print(f"{workload} {stem} on {device}: {us['median']:.1f} us", file=sys.stderr)
                line = {"workload": workload, "stem": stem, "device": common.device_name(device), "us": us}
                common.emit({**line, "versions": versions})


if __name__ == "__main__":
    main()
