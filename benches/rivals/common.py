"""What the PyTorch rivals share: the workloads, the sweep, and how times are taken and printed.

Everything computes in f32, as rangefinder does: no TF32, which is a rival's row of its own where it matters (plain_loop.py).
"""

import gzip
import json
import os
import platform
import statistics
import struct
import sys
import time
from pathlib import Path

import numpy
import torch
from torch import nn

# A quick look, as of `run.sh --quick`: fewer steps and repeats, like rangefinder's own.
QUICK = bool(os.environ.get("RIVALS_QUICK"))
# Also on a CPU what is meant for a GPU, with few steps where a step takes seconds: to see that it runs.
EVERYTHING = bool(os.environ.get("RIVALS_EVERYTHING"))
STEPS, START, END = 20 if QUICK else 100, 1e-7, 10.0
MOMENTUM = 0.9

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.backends.cudnn.benchmark = True  # shapes never change; measuring which algorithm is fastest is part of the warm-up


def rates(steps):
    """The grid of the sweep: exponential, both ends exact."""
    return [START * (END / START) ** (i / (steps - 1)) for i in range(steps)]


def idx(path):
    """The array in a gzipped IDX file (the format of MNIST)."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def mnist():
    """Images (n, 1, 28, 28) as standardized f32, labels; random ones if there is no directory with MNIST."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
    directory = Path(os.environ.get("RANGEFINDER_DATA") or default)
    if not (directory / "train-images-idx3-ubyte.gz").exists():
        return noise((1, 28, 28), STEPS * 64)
    images = idx(directory / "train-images-idx3-ubyte.gz")
    labels = idx(directory / "train-labels-idx1-ubyte.gz")
    return "MNIST", standardized(images[:, None]), torch.from_numpy(labels.astype(numpy.int64))


def noise(shape, rows):
    """Random bytes as images: a step takes as long on them."""
    source = numpy.random.default_rng(0)
    images = source.integers(0, 256, (rows, *shape), numpy.uint8)
    labels = source.integers(0, 10, rows)
    return "random bytes", standardized(images), torch.from_numpy(labels)


def standardized(images):
    return (torch.from_numpy(images.astype(numpy.float32)) / 255.0 - 0.1307) / 0.3081


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def cnn():
    features = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))


class Residual(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.layers(x)


def resnet9():
    """As `rangefinder plan --model resnet9` prints it."""

    def conv(channels, out):
        return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU())

    def twice(channels):
        return Residual(conv(channels, channels), conv(channels, channels))

    layers = [conv(3, 64), conv(64, 128), nn.MaxPool2d(2), twice(128), conv(128, 256), nn.MaxPool2d(2)]
    layers += [conv(256, 512), nn.MaxPool2d(2), twice(512), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(512, 10)]
    return nn.Sequential(*layers)


class Workload:
    """A model, its batch, and where its images come from."""

    def __init__(self, build, batch, data, large=False):
        self.build, self.batch, self.data, self.large = build, batch, data, large

    def steps(self, device):
        return 4 if self.large and device == "cpu" else STEPS


WORKLOADS = {
    "mlp": Workload(mlp, 64, mnist),
    "cnn": Workload(cnn, 64, mnist),
    "resnet9": Workload(resnet9, 128, lambda: noise((3, 32, 32), STEPS * 128), large=True),
}


def cases():
    """(device, model's name): what takes seconds a step on a CPU only on a GPU, or where it is asked for."""
    every = [(device, model) for device in devices() for model in WORKLOADS]
    return [(device, model) for device, model in every if device == "cuda" or EVERYTHING or not WORKLOADS[model].large]


def devices():
    return ["cpu"] + (["cuda"] if torch.cuda.is_available() else [])


def device_name(device):
    if device == "cuda":
        return torch.cuda.get_device_name()
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {torch.get_num_threads()} threads"


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def measure(device, sweep):
    """Milliseconds of a whole sweep: once for warmth, then again and again. Median, min, max."""
    seconds, least, most = (0.3, 2, 5) if QUICK else (3.0, 5, 31)
    samples = []
    sweep()
    start = time.perf_counter()
    while len(samples) < least or (len(samples) < most and time.perf_counter() - start < seconds):
        synchronize(device)
        begin = time.perf_counter()
        sweep()
        synchronize(device)
        samples.append(1e3 * (time.perf_counter() - begin))
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "repeats": len(samples)}


def emit(line):
    """One line of JSON, at once: what a rival has measured stands, whatever becomes of the rest."""
    print(json.dumps(line), flush=True)


def row(name, model, device, ms, data, **versions):
    steps = WORKLOADS[model].steps(device)
    print(f"{name}, {model} on {device}: {ms['median']:.1f} ms, {steps} steps", file=sys.stderr)
    versions = {"python": platform.python_version(), "torch": torch.__version__, **versions}
    line = {"name": name, "model": model, "device": device_name(device), "steps": steps, "range_test_ms": ms}
    emit({**line, "data": data, "versions": versions})
