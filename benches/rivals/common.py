"""What the PyTorch rivals share: the data, the two models, the sweep, and how times are taken and printed."""

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
BATCH, STEPS, START, END = 64, 20 if QUICK else 100, 1e-7, 10.0
MOMENTUM = 0.9


def rates():
    """The grid of the sweep: exponential, both ends exact."""
    return [START * (END / START) ** (i / (STEPS - 1)) for i in range(STEPS)]


def idx(path):
    """The array in a gzipped IDX file (the format of MNIST)."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank])
    return numpy.frombuffer(raw, numpy.uint8, offset=4 + 4 * rank).reshape(shape)


def data():
    """Name, images (n, 1, 28, 28) as standardized f32, labels; MNIST if there is a directory with it."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
    directory = Path(os.environ.get("RANGEFINDER_DATA") or default)
    if (directory / "train-images-idx3-ubyte.gz").exists():
        name = "MNIST"
        images = idx(directory / "train-images-idx3-ubyte.gz")
        labels = idx(directory / "train-labels-idx1-ubyte.gz")
    else:
        name = "random bytes"
        source = numpy.random.default_rng(0)
        images = source.integers(0, 256, (STEPS * BATCH, 28, 28), numpy.uint8)
        labels = source.integers(0, 10, STEPS * BATCH, numpy.uint8)
    x = torch.from_numpy(images.astype(numpy.float32)).unsqueeze(1) / 255.0
    return name, (x - 0.1307) / 0.3081, torch.from_numpy(labels.astype(numpy.int64))


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def cnn():
    features = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    features += [nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))


MODELS = {"mlp": mlp, "cnn": cnn}


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


def row(name, model, device, ms):
    print(f"{name}, {model} on {device}: {ms['median']:.1f} ms", file=sys.stderr)
    return {"name": name, "model": model, "device": device_name(device), "range_test_ms": ms}


def report(rows, data_name, **versions):
    versions = {"python": platform.python_version(), "torch": torch.__version__, **versions}
    print(json.dumps({"data": data_name, "steps": STEPS, "versions": versions, "rows": rows}, indent=2))
