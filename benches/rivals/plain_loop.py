"""The tightest plain PyTorch range test: no DataLoader, the data resident and shuffled once, batches as views.

Variants: the loss read in every step (as finders do, to smooth it and to stop), the losses kept on the device and read once,
the model behind torch.compile, and on CUDA a whole step as a graph that is replayed. Prints JSON.
"""

import copy
import sys

import torch
from torch import nn

import common


def batches(x, y, device):
    """The first STEPS batches of a shuffled dataset, resident."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[: common.STEPS * common.BATCH]
    x, y = x[order].to(device), y[order].to(device)
    return list(x.split(common.BATCH)), list(y.split(common.BATCH))


def sweep(model, xs, ys, read, forward=None):
    """A range test with torch.optim.SGD; the weights are put back behind it. `forward` stands in for the model's own."""
    forward = forward or model
    saved = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=common.START, momentum=common.MOMENTUM)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for rate, x, y in zip(common.rates(), xs, ys):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(forward(x), y)
        loss.backward()
        losses.append(loss.item() if read else loss.detach())
        optimizer.step()
    losses = losses if read else torch.stack(losses).tolist()
    with torch.no_grad():
        for p, s in zip(model.parameters(), saved):
            p.copy_(s)
    return losses


class Captured:
    """A step of forward, backward and SGD with momentum as one CUDA graph: rate and batch are copied in, the step
    counts itself."""

    def __init__(self, model, xs, ys, capture=True):
        device = xs[0].device
        self.model, self.xs, self.ys = model, xs, ys
        self.params = list(model.parameters())
        self.velocity = [torch.zeros_like(p) for p in self.params]
        self.rates = torch.tensor(common.rates(), device=device)
        self.x, self.y, self.rate = xs[0].clone(), ys[0].clone(), self.rates[0].clone()
        self.loss = torch.zeros((), device=device)
        self.graph = None
        if capture:
            self.capture()

    def capture(self):
        saved = [p.detach().clone() for p in self.params]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.step()
        self.restore(saved)

    def step(self):
        loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        gradients = torch.autograd.grad(loss, self.params)
        with torch.no_grad():
            self.loss.copy_(loss)
            torch._foreach_mul_(self.velocity, common.MOMENTUM)
            torch._foreach_add_(self.velocity, gradients)
            torch._foreach_sub_(self.params, torch._foreach_mul(self.velocity, self.rate))

    def restore(self, saved):
        with torch.no_grad():
            for p, s, v in zip(self.params, saved, self.velocity):
                p.copy_(s)
                v.zero_()

    def sweep(self):
        saved = [p.detach().clone() for p in self.params]
        losses = torch.zeros(common.STEPS, device=self.x.device)
        for i in range(common.STEPS):
            self.x.copy_(self.xs[i])
            self.y.copy_(self.ys[i])
            self.rate.copy_(self.rates[i])
            self.graph.replay() if self.graph else self.step()
            losses[i] = self.loss
        result = losses.tolist()
        self.restore(saved)
        return result


def check(model, xs, ys):
    """All variants compute the same curve, while it is finite and calm; a wrong rival would prove nothing."""
    a, b = sweep(model, xs, ys, True), sweep(model, xs, ys, False)
    c = Captured(copy.deepcopy(model), xs, ys, capture=xs[0].is_cuda).sweep()
    for i in range(common.STEPS // 2):
        assert abs(a[i] - b[i]) < 1e-4 * a[i] and abs(a[i] - c[i]) < 1e-3 * a[i], (i, a[i], b[i], c[i])


def compiled(model, xs, ys, kind):
    """The row of torch.compile, which needs a compiler that not every machine has."""
    try:
        forward = torch.compile(model, mode="max-autotune-no-cudagraphs")
        ms = common.measure("cuda", lambda: sweep(model, xs, ys, False, forward))
    except Exception as error:  # any of a compiler's own
        print(f"torch.compile left out: {error}", file=sys.stderr)
        return []
    return [common.row("torch.compile, loss read once", kind, "cuda", ms)]


def main():
    name, x, y = common.data()
    rows = []
    for device in common.devices():
        xs, ys = batches(x, y, device)
        for kind, build in common.MODELS.items():
            torch.manual_seed(0)
            model = build().to(device)
            check(model, xs, ys)
            for label, read in [("PyTorch loop, loss read each step", True), ("PyTorch loop, loss read once", False)]:
                ms = common.measure(device, lambda: sweep(model, xs, ys, read))
                rows.append(common.row(label, kind, device, ms))
            if device == "cuda":
                rows += compiled(model, xs, ys, kind)
                ms = common.measure(device, Captured(model, xs, ys).sweep)
                rows.append(common.row("PyTorch CUDA graph", kind, device, ms))
    common.report(rows, name)


if __name__ == "__main__":
    main()
