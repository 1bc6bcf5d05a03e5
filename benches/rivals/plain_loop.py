"""The tightest plain PyTorch range tests: no DataLoader, the data resident and shuffled once, batches as views.

    plain_loop.py eager      the loss read in every step (as finders do, to smooth it and to stop); the losses kept on the device
                             and read once; on CUDA the latter also with TF32 in convolutions, PyTorch's default
    plain_loop.py compiled   the model behind torch.compile; on CUDA only
    plain_loop.py captured   a whole step as a graph that is replayed; on CUDA only

A process each: a compiler may take long, and a capture that fails may leave CUDA unusable. Prints a line of JSON for each model
and device.
"""

import copy
import sys

import torch
from torch import nn

import common


def batches(work, device):
    """The data's name and the first batches of the shuffled dataset, resident."""
    name, x, y = work.data()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: work.steps(device) * work.batch]
    x, y = x[order].to(device), y[order].to(device)
    return name, list(x.split(work.batch)), list(y.split(work.batch))


def tensors(model):
    """What a range test moves: parameters, and the running statistics of batch normalisation."""
    return [t.detach() for t in [*model.parameters(), *model.buffers()]]


def sweep(model, xs, ys, read, forward=None):
    """A range test with torch.optim.SGD; the weights are put back behind it. `forward` stands in for the model's own."""
    forward = forward or model
    saved = [t.clone() for t in tensors(model)]
    optimizer = torch.optim.SGD(model.parameters(), lr=common.START, momentum=common.MOMENTUM)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for rate, x, y in zip(common.rates(len(xs)), xs, ys):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(forward(x), y)
        loss.backward()
        losses.append(loss.item() if read else loss.detach())
        optimizer.step()
    losses = losses if read else torch.stack(losses).tolist()
    for t, s in zip(tensors(model), saved):
        t.copy_(s)
    return losses


class Captured:
    """A whole step as one CUDA graph, as PyTorch's notes on CUDA semantics capture one: the batch and the rate are picked by a
    counter on the device, the loss is filed there, the update is one launch (fused SGD with the rate as a tensor). The host
    only replays it. `capture=False` runs the same step without a graph, also on a CPU."""

    def __init__(self, model, xs, ys, capture=True):
        device = xs[0].device
        self.model, self.xs, self.ys = model, torch.stack(xs), torch.stack(ys)
        self.rates = torch.tensor(common.rates(len(xs)), device=device)
        self.losses = torch.zeros(len(xs), device=device)
        self.i, self.rate = torch.zeros(1, dtype=torch.int64, device=device), torch.zeros((), device=device)
        self.optimizer = torch.optim.SGD(model.parameters(), lr=self.rate, momentum=common.MOMENTUM, fused=True)
        self.graph = None
        if capture:
            self.capture()

    def capture(self):
        saved = [t.clone() for t in tensors(self.model)]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries set themselves up, the optimizer makes its momentum
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()
        self.restore(saved)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)  # so that a graph's gradients are its own, written and not added to
        x, y = self.xs.index_select(0, self.i)[0], self.ys.index_select(0, self.i)[0]
        self.rate.copy_(self.rates.index_select(0, self.i)[0])
        loss = nn.functional.cross_entropy(self.model(x), y)
        loss.backward()
        self.losses.index_copy_(0, self.i, loss.detach()[None])
        self.optimizer.step()
        self.i.add_(1)

    def restore(self, saved):
        for t, s in zip(tensors(self.model), saved):
            t.copy_(s)
        for state in self.optimizer.state.values():
            state["momentum_buffer"].zero_()
        self.i.zero_()

    def sweep(self):
        saved = [t.clone() for t in tensors(self.model)]
        for _ in range(len(self.xs)):
            self.graph.replay() if self.graph else self.step()
        losses = self.losses.tolist()
        self.restore(saved)
        return losses


def check(a, b):
    """Two variants compute the same curve, while it is finite and calm; a wrong rival would prove nothing."""
    for i in range(len(a) // 2):
        assert abs(a[i] - b[i]) < 1e-3 * a[i], (i, a[i], b[i])


def eager(model, xs, ys, device):
    """(what, measurement) of each loop."""
    curve = sweep(model, xs, ys, True)
    check(curve, sweep(model, xs, ys, False))
    check(curve, Captured(copy.deepcopy(model), xs, ys, capture=False).sweep())
    yield "PyTorch loop, loss read each step", common.measure(device, lambda: sweep(model, xs, ys, True))
    yield "PyTorch loop, loss read once", common.measure(device, lambda: sweep(model, xs, ys, False))
    if device == "cuda":
        torch.backends.cudnn.allow_tf32 = True
        ms = common.measure(device, lambda: sweep(model, xs, ys, False))
        torch.backends.cudnn.allow_tf32 = False
        yield "PyTorch loop, loss read once, TF32 convolutions", ms


def compiled(model, xs, ys, device):
    forward = torch.compile(model, mode="max-autotune-no-cudagraphs")
    check(sweep(model, xs, ys, True), sweep(model, xs, ys, False, forward))
    yield "torch.compile, loss read once", common.measure(device, lambda: sweep(model, xs, ys, False, forward))


def captured(model, xs, ys, device):
    graph = Captured(copy.deepcopy(model), xs, ys, capture=device == "cuda")
    check(sweep(model, xs, ys, True), graph.sweep())
    yield "PyTorch CUDA graph" if device == "cuda" else "PyTorch CUDA graph's step", common.measure(device, graph.sweep)


VARIANTS = {"eager": eager, "compiled": compiled, "captured": captured}


def main():
    variant = VARIANTS[sys.argv[1]]
    for device, kind in common.cases():
        if device == "cpu" and variant is not eager and not common.EVERYTHING:
            continue
        name, xs, ys = batches(common.WORKLOADS[kind], device)
        torch.manual_seed(0)
        model = common.WORKLOADS[kind].build().to(device)
        for what, ms in variant(model, xs, ys, device):
            common.row(what, kind, device, ms, name)


if __name__ == "__main__":
    main()
