"""Writes values.rs beside this file: what PyTorch computes, as Rust literals.

    python -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tests/golden/make.py

Everything runs on the CPU in float64, one thread, so that the numbers are the formulas' and not a kernel's. Weights
and data come from `fill` and `labels` below; mod.rs has the same two functions in Rust, so none are stored. What the
runs give in float32 instead is printed, as the measure of what a float32 engine can be held to.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

STEPS, BATCH, SAMPLES = 20, 16, 64
INPUT_SEED, LABEL_SEED = 100, 101
MASK = np.uint64(0xFFFFFFFF)


# ---------------------------------------------------------------- numbers both sides can make

def hashes(length, seed):
    """32-bit hashes of (index, seed): a line modulo 2^32, then two rounds of xorshift-multiply."""
    h = (np.arange(length, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 40503)) & MASK
    h ^= h >> np.uint64(16)
    h = (h * np.uint64(0x7FEB352D)) & MASK
    h ^= h >> np.uint64(15)
    h = (h * np.uint64(0x846CA68B)) & MASK
    return h ^ (h >> np.uint64(16))


def fill(length, seed, scale):
    """float32 numbers in [-scale, scale). The unit number is exact in float32; the product is rounded once."""
    unit = (hashes(length, seed) >> np.uint64(8)).astype(np.float64) / 2**24 * 2 - 1
    return unit.astype(np.float32) * np.float32(scale)


def labels(length, seed, classes):
    return (hashes(length, seed) % np.uint64(classes)).astype(np.int64)


def tensor(shape, seed, scale, dtype=torch.float64):
    return torch.tensor(fill(int(np.prod(shape)), seed, scale)).to(dtype).reshape(shape)


# ---------------------------------------------------------------- Rust literals

def number(x):
    return repr(float(x))


def numbers(values):
    return "[" + ", ".join(number(v) for v in values) + "]"


def pair(values):
    return f"[{values[0]}, {values[1]}]"


def summary(values):
    """The Rust literal of mod.rs's `Summary`."""
    v = values.detach().to(torch.float64).reshape(-1)
    last = len(v) - 1
    picks = [v[0], v[last // 3], v[2 * last // 3], v[last]]
    return (f"Summary {{ len: {len(v)}, sum: {number(v.sum())}, squares: {number((v * v).sum())}, "
            f"picks: {numbers(picks)} }}")


def constant(doc, name, kind, entries):
    """A documented constant array with one entry a line."""
    lines = "".join(f"    {entry},\n" for entry in entries)
    return f"/// {doc}\npub const {name}: [{kind}; {len(entries)}] = [\n{lines}];\n"


def one_line(doc, name, kind, entries):
    return f"/// {doc}\npub const {name}: [{kind}; {len(entries)}] = [{', '.join(str(e) for e in entries)}];\n"


# ---------------------------------------------------------------- optimizers

def sgd(lr, momentum=0.0, weight_decay=0.0, nesterov=False):
    literal = (f"Optimizer::Sgd(Sgd {{ lr: {number(lr)}, momentum: {number(momentum)}, "
               f"weight_decay: {number(weight_decay)}, nesterov: {str(nesterov).lower()} }})")
    options = dict(lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
    return literal, lambda params: torch.optim.SGD(params, **options)


def adam(lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled=False):
    literal = (f"Optimizer::Adam(Adam {{ lr: {number(lr)}, beta1: {betas[0]}, beta2: {betas[1]}, eps: {number(eps)}, "
               f"weight_decay: {number(weight_decay)}, decay: Decay::{'Decoupled' if decoupled else 'L2'} }})")
    options = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return literal, lambda params: (torch.optim.AdamW if decoupled else torch.optim.Adam)(params, **options)


def trajectory(optimizer, max_norm, growth):
    """Five parameters in two tensors (so that the clipped norm is seen to be global), ten steps, given gradients."""
    literal, make = optimizer
    start = tensor([5], 40, 1.0)
    params = [start[:2].clone().requires_grad_(), start[2:].clone().requires_grad_()]
    optimizer = make(params)
    for step in range(10):
        gradient = tensor([5], 41 + step, 1.0)
        params[0].grad, params[1].grad = gradient[:2].clone(), gradient[2:].clone()
        if max_norm is not None:
            torch.nn.utils.clip_grad_norm_(params, max_norm)
        optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] *= growth
    end = torch.cat([p.detach() for p in params])
    clip = "None" if max_norm is None else f"Some({number(max_norm)})"
    return f"Trajectory {{ optimizer: {literal}, max_norm: {clip}, growth: {number(growth)}, end: {numbers(end)} }}"


def trajectories():
    optimizers = [
        sgd(0.1),
        sgd(0.1, weight_decay=0.1),
        sgd(0.1, momentum=0.9),
        sgd(0.1, momentum=0.9, weight_decay=0.1),
        sgd(0.1, momentum=0.9, nesterov=True),
        sgd(0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        adam(0.01),
        adam(0.01, weight_decay=0.1),
        adam(0.01, betas=(0.8, 0.95), eps=0.01),
        adam(0.01, weight_decay=0.0, decoupled=True),
        adam(0.01, weight_decay=0.1, decoupled=True),
        adam(0.01, betas=(0.8, 0.95), eps=0.01, weight_decay=0.1, decoupled=True),
    ]
    # The norms of the ten gradients lie on both sides of 1.3.
    cases = [(None, 1.0), (1.3, 1.0), (None, 1.5)]
    return [trajectory(optimizer, max_norm, growth) for optimizer in optimizers for max_norm, growth in cases]


# ---------------------------------------------------------------- single ops

def linear_witness(b, i, o):
    x = tensor([b, i], 1, 1.0).requires_grad_()
    w = tensor([o, i], 2, 1.0).requires_grad_()
    bias = tensor([o], 3, 1.0).requires_grad_()
    y = F.linear(x, w, bias)
    y.backward(tensor(y.shape, 4, 1.0))
    outputs = ", ".join(summary(t) for t in (y, x.grad, w.grad, bias.grad))
    return f"(Linear {{ b: {b}, i: {i}, o: {o} }}, [{outputs}])"


def conv2d_witness(b, c, h, w, o, kh, kw, stride, padding, dilation):
    x = tensor([b, c, h, w], 1, 1.0).requires_grad_()
    weight = tensor([o, c, kh, kw], 2, 1.0).requires_grad_()
    bias = tensor([o], 3, 1.0).requires_grad_()
    y = F.conv2d(x, weight, bias, stride, padding, dilation)
    y.backward(tensor(y.shape, 4, 1.0))
    shape = (f"Conv2d {{ b: {b}, c: {c}, h: {h}, w: {w}, o: {o}, kh: {kh}, kw: {kw}, stride: {pair(stride)}, "
             f"padding: {pair(padding)}, dilation: {pair(dilation)} }}")
    outputs = ", ".join(summary(t) for t in (y, x.grad, weight.grad, bias.grad))
    return f"({shape}, [{outputs}])"


def pool_witness(kind, pool, coarse, b, c, h, w, kernel, stride, padding):
    """`coarse` rounds the input down to few values, so that windows hold ties."""
    x = tensor([b, c, h, w], 1, 2.0 if coarse else 1.0)
    x = (torch.floor(x) if coarse else x).requires_grad_()
    y = pool(x, kernel, stride, padding)
    y.backward(tensor(y.shape, 4, 1.0))
    shape = (f"{kind} {{ b: {b}, c: {c}, h: {h}, w: {w}, kernel: {pair(kernel)}, stride: {pair(stride)}, "
             f"padding: {pair(padding)} }}")
    return f"({shape}, [{summary(y)}, {summary(x.grad)}])"


def activation_witness(name, function):
    x = tensor([37], 1, 6.0).requires_grad_()
    y = function(x)
    y.backward(tensor([37], 4, 1.0))
    return f"(Activation::{name}, [{summary(y)}, {summary(x.grad)}])"


def batch_norm_witness(b, c, s):
    """A step in training mode, a second one on other data for the running statistics, then evaluation."""
    norm = (nn.BatchNorm1d if s == 1 else nn.BatchNorm2d)(c).double()
    shape = [b, c] if s == 1 else [b, c, 1, s]
    with torch.no_grad():
        norm.weight.copy_(tensor([c], 2, 1.0))
        norm.bias.copy_(tensor([c], 3, 1.0))
    x = tensor(shape, 1, 1.0).requires_grad_()
    y = norm(x)
    y.backward(tensor(shape, 4, 1.0))
    norm(tensor(shape, 5, 2.0))
    norm.eval()
    evaluated = norm(x)
    outputs = (y, x.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var, evaluated)
    return f"(BatchNorm::new({b}, {c}, {s}), [{', '.join(summary(t) for t in outputs)}])"


def cross_entropy_witness(b, k):
    logits = tensor([b, k], 1, 5.0).requires_grad_()
    targets = torch.tensor(labels(b, 2, k))
    losses = F.cross_entropy(logits, targets, reduction="none")
    mean = F.cross_entropy(logits, targets)
    mean.backward()
    correct = int((logits.argmax(1) == targets).sum())
    outputs = f"[{summary(losses)}, {summary(logits.grad)}]"
    return f"(CrossEntropy {{ b: {b}, k: {k} }}, {number(mean.item())}, {correct}, {outputs})"


def mean_squared_error_witness(b, d):
    prediction = tensor([b, d], 1, 1.0).requires_grad_()
    target = tensor([b, d], 2, 1.0)
    rows = F.mse_loss(prediction, target, reduction="none").mean(1)
    mean = F.mse_loss(prediction, target)
    mean.backward()
    outputs = f"[{summary(rows)}, {summary(prediction.grad)}]"
    return f"(MeanSquaredError {{ b: {b}, d: {d} }}, {number(mean.item())}, {outputs})"


def op_witnesses():
    pools = [
        (1, 1, 4, 4, (2, 2), (2, 2), (0, 0)),
        (2, 3, 7, 5, (3, 3), (2, 2), (1, 1)),
        (2, 3, 9, 11, (2, 5), (1, 3), (1, 2)),
        (3, 2, 8, 6, (3, 2), (3, 1), (0, 1)),
    ]
    activations = dict(Relu=F.relu, Tanh=torch.tanh, Sigmoid=torch.sigmoid, Gelu=F.gelu, Silu=F.silu)
    max_pools = [pool_witness("MaxPool", F.max_pool2d, coarse, *shape) for shape in pools for coarse in (False, True)]
    return [
        constant("Linear layers: y, dx, dw, db.", "LINEAR", "(Linear, [Summary; 4])",
                 [linear_witness(*shape) for shape in [(1, 1, 1), (3, 7, 5), (17, 33, 13)]]),
        constant("Convolutions: y, dx, dw, db.", "CONV2D", "(Conv2d, [Summary; 4])", [
            conv2d_witness(1, 1, 5, 5, 1, 3, 3, (1, 1), (0, 0), (1, 1)),
            conv2d_witness(2, 3, 7, 9, 4, 3, 3, (1, 1), (1, 1), (1, 1)),
            conv2d_witness(3, 2, 11, 9, 5, 3, 3, (2, 2), (1, 1), (1, 1)),
            conv2d_witness(2, 3, 10, 13, 4, 2, 3, (2, 2), (1, 1), (2, 2)),
            conv2d_witness(2, 2, 9, 12, 3, 4, 1, (1, 3), (2, 0), (1, 2)),
            conv2d_witness(5, 7, 4, 4, 17, 1, 1, (1, 1), (0, 0), (1, 1)),
        ]),
        constant("Max pools, each over distinct values and then over `floor` of twice as large ones (ties): y, dx.",
                 "MAX_POOL", "(MaxPool, [Summary; 2])", max_pools),
        constant("Average pools: y, dx.", "AVG_POOL", "(AvgPool, [Summary; 2])",
                 [pool_witness("AvgPool", F.avg_pool2d, False, *shape) for shape in pools]),
        constant("Activations of 37 numbers in [-6, 6): y, dx.", "ACTIVATION", "(Activation, [Summary; 2])",
                 [activation_witness(name, function) for name, function in activations.items()]),
        constant("Batch normalisation: y, dx, dgamma, dbeta of a first step; running mean and variance after a second;"
                 " y of the first input in evaluation mode.", "BATCH_NORM", "(BatchNorm, [Summary; 7])",
                 [batch_norm_witness(*shape) for shape in [(5, 3, 1), (3, 4, 6), (2, 5, 49), (1, 2, 17)]]),
        constant("Cross-entropy: mean, rows correct, and the row losses and dlogits.", "CROSS_ENTROPY",
                 "(CrossEntropy, f64, usize, [Summary; 2])",
                 [cross_entropy_witness(*shape) for shape in [(1, 2), (7, 5), (33, 10)]]),
        constant("Mean squared error: mean, and the row losses and dprediction.", "MEAN_SQUARED_ERROR",
                 "(MeanSquaredError, f64, [Summary; 2])",
                 [mean_squared_error_witness(*shape) for shape in [(1, 1), (7, 3), (33, 5)]]),
    ]


# ---------------------------------------------------------------- training runs

class Mlp(nn.Module):
    INPUT, CLASSES = (20,), 5
    # Name, seed, scale. In the order of `parameters()`.
    TENSORS = [
        ("linear1.weight", 1, 0.3), ("linear1.bias", 2, 0.1),
        ("linear2.weight", 3, 0.3), ("linear2.bias", 4, 0.1),
        ("linear3.weight", 5, 0.4), ("linear3.bias", 6, 0.1),
    ]

    def __init__(self):
        super().__init__()
        self.linear1, self.linear2, self.linear3 = nn.Linear(20, 32), nn.Linear(32, 16), nn.Linear(16, 5)

    def forward(self, x):
        return self.linear3(F.relu(self.linear2(F.relu(self.linear1(x)))))


class MlpGroups(Mlp):
    # What a tensor's learning rate and weight decay are, as multiples of the optimizer's; not named: both 1.
    MULTIPLIERS = {
        "linear1.weight": (0.1, 1.0), "linear1.bias": (0.1, 0.0), "linear2.bias": (1.0, 0.0),
        "linear3.weight": (2.0, 1.0), "linear3.bias": (2.0, 0.0),
    }


class Cnn(nn.Module):
    INPUT, CLASSES = (1, 8, 8), 10
    TENSORS = [
        ("conv1.weight", 1, 0.5), ("conv1.bias", 2, 0.1),
        ("conv2.weight", 3, 0.3), ("conv2.bias", 4, 0.1),
        ("linear.weight", 5, 0.3), ("linear.bias", 6, 0.1),
    ]

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.linear = nn.Linear(32, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return self.linear(x.flatten(1))


class CnnBatchNorm(Cnn):
    # Without a seed the scale is a constant: gamma 1, beta 0.
    TENSORS = [
        ("conv1.weight", 1, 0.5), ("conv1.bias", 2, 0.1), ("norm1.weight", None, 1.0), ("norm1.bias", None, 0.0),
        ("conv2.weight", 3, 0.3), ("conv2.bias", 4, 0.1), ("norm2.weight", None, 1.0), ("norm2.bias", None, 0.0),
        ("linear.weight", 5, 0.3), ("linear.bias", 6, 0.1),
    ]

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(6), nn.BatchNorm2d(8)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        return self.linear(x.flatten(1))


def initialised(kind, dtype):
    model = kind().to(dtype)
    parameters = dict(model.named_parameters())
    assert sorted(parameters) == sorted(name for name, _, _ in kind.TENSORS)
    with torch.no_grad():
        for name, seed, scale in kind.TENSORS:
            p = parameters[name]
            p.copy_(torch.full(p.shape, scale) if seed is None else tensor(p.shape, seed, scale, dtype))
    return model


def grouped(kind, model, make):
    """The optimizer with a parameter group for each tensor."""
    optimizer = make([{"params": [p]} for p in model.parameters()])
    for group, (name, _) in zip(optimizer.param_groups, model.named_parameters()):
        rate, decay = getattr(kind, "MULTIPLIERS", {}).get(name, (1.0, 1.0))
        group["lr"] *= rate
        group["weight_decay"] *= decay
    return optimizer


def train(kind, make, dtype):
    """Loss, rows correct and gradient norm of each step, before its update; and the trained model."""
    model = initialised(kind, dtype)
    optimizer = grouped(kind, model, make)
    inputs = tensor([SAMPLES, *kind.INPUT], INPUT_SEED, 1.0, dtype)
    targets = torch.tensor(labels(SAMPLES, LABEL_SEED, kind.CLASSES))
    losses, correct, norms = [], [], []
    for step in range(STEPS):
        rows = (step * BATCH + torch.arange(BATCH)) % SAMPLES
        logits = model(inputs[rows])
        loss = F.cross_entropy(logits, targets[rows])
        losses.append(loss.item())
        correct.append(int((logits.argmax(1) == targets[rows]).sum()))
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.cat([p.grad.reshape(-1) for p in model.parameters()]).norm()))
        optimizer.step()
    return losses, correct, norms, model


def run_literal(kind, optimizer):
    literal, make = optimizer
    exact = losses, correct, norms, model = train(kind, make, torch.float64)
    report(kind, literal, exact, train(kind, make, torch.float32))
    parameters = dict(model.named_parameters())
    weights = ", ".join(summary(parameters[name]) for name, _, _ in kind.TENSORS)
    buffers = ", ".join(summary(b) for name, b in model.named_buffers() if "running" in name)
    lines = [
        f"optimizer: {literal}",
        f"losses: {numbers(losses)}",
        f"correct: {correct}",
        f"gradient_norms: {numbers(norms)}",
        f"weights: &[{weights}]",
        f"buffers: &[{buffers}]",
    ]
    return "Run {\n" + "".join(f"            {line},\n" for line in lines) + "        }"


def off(exact, rounded):
    return [abs(a - b) / a for a, b in zip(exact, rounded)]


def report(kind, literal, exact, rounded):
    """Prints how far the float32 run strays from the float64 one, relative to the number's size."""
    losses, norms = off(exact[0], rounded[0]), off(exact[2], rounded[2])
    weights, strayed = flat_weights(exact[3]), flat_weights(rounded[3])
    distance = (weights - strayed).norm() / weights.norm()
    print(f"{kind.__name__:13} loss {exact[0][0]:.3f} -> {exact[0][-1]:.3f}; float32 off: losses {max(losses):.0e}, "
          f"gradient norms {max(norms):.0e}, weights {distance.item():.0e}, "
          f"same rows correct {exact[1] == rounded[1]}; {literal}")


def flat_weights(model):
    return torch.cat([p.detach().reshape(-1).double() for p in model.parameters()])


def tensor_literal(name, shape, seed, scale):
    init = f"Init::Constant({scale})" if seed is None else f"Init::Fill {{ seed: {seed}, scale: {scale} }}"
    return f'Tensor {{ name: "{name}", shape: &{list(shape)}, init: {init} }}'


def model_literal(name, doc, kind, optimizers):
    parameters = dict(kind().named_parameters())
    tensors = [tensor_literal(name, parameters[name].shape, seed, scale) for name, seed, scale in kind.TENSORS]
    runs = [run_literal(kind, optimizer) for optimizer in optimizers]
    fields = f"    input: &{list(kind.INPUT)},\n    classes: {kind.CLASSES},\n"
    return (f"/// {doc}\npub const {name}: Model = Model {{\n{fields}"
            f"    tensors: &[\n{indented(tensors)}    ],\n    runs: &[\n{indented(runs)}    ],\n}};\n")


def indented(entries):
    return "".join(f"        {entry},\n" for entry in entries)


def optimizers(lr):
    return [sgd(lr, momentum=0.9), adam(0.01, weight_decay=0.01, decoupled=True), adam(0.01),
            sgd(lr, momentum=0.9, weight_decay=0.001, nesterov=True)]


def models():
    mlp = "20-32-16-5 with relu: SGD with momentum, AdamW, Adam, Nesterov with decay."
    cnn = "(3x3 convolution, relu, 2x2 max-pool) twice, then linear; the same four optimizers."
    groups = "The MLP with parameter groups: the first layer at a tenth of the rate, the last at twice, no decay on biases."
    decaying = [sgd(0.1, momentum=0.9, weight_decay=0.05, nesterov=True), adam(0.01, weight_decay=0.05),
                adam(0.01, weight_decay=0.1, decoupled=True)]
    norm = "The CNN with batch normalisation between convolution and relu."
    return [
        model_literal("MLP", mlp, Mlp, optimizers(0.1)),
        model_literal("MLP_GROUPS", groups, MlpGroups, decaying),
        model_literal("CNN", cnn, Cnn, optimizers(0.05)),
        model_literal("CNN_BATCH_NORM", norm, CnnBatchNorm, [sgd(0.05, momentum=0.9)]),
    ]


HEAD = """//! Written by `make.py` (PyTorch {version}, float64); do not edit.

use super::{{Init, Model, Run, Summary, Tensor, Trajectory}};
use crate::reference::activation::Activation;
use crate::reference::avg_pool::AvgPool;
use crate::reference::batch_norm::BatchNorm;
use crate::reference::conv2d::Conv2d;
use crate::reference::cross_entropy::CrossEntropy;
use crate::reference::linear::Linear;
use crate::reference::max_pool::MaxPool;
use crate::reference::mean_squared_error::MeanSquaredError;
use crate::reference::optim::{{Adam, Decay, Optimizer, Sgd}};
"""


def main():
    torch.set_num_threads(1)
    sections = [
        HEAD.format(version=torch.__version__.split("+")[0]),
        one_line("`fill(8, 7, 0.3)`.", "FILL", "f32", fill(8, 7, 0.3)),
        one_line("`labels(16, 101, 10)`.", "LABELS", "u32", labels(16, 101, 10)),
        *op_witnesses(),
        constant("Optimizers: ten steps each as they are, then clipped, then with a growing rate.", "TRAJECTORIES",
                 "Trajectory", trajectories()),
        *models(),
    ]
    Path(__file__).with_name("values.rs").write_text("\n".join(sections))


if __name__ == "__main__":
    main()
