"""torch-lr-finder (davidtvs/pytorch-lr-finder) as its README uses it: a DataLoader, range_test, reset. Prints a
line of JSON for each model and device."""

import contextlib
import io
from importlib.metadata import version

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

import common


def sweep(model, loader, device, steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=common.START, momentum=common.MOMENTUM)
    finder = LRFinder(model, optimizer, nn.CrossEntropyLoss(), device=device)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        # Never early: every rival makes all the steps.
        finder.range_test(loader, end_lr=common.END, num_iter=steps, diverge_th=float("inf"))
    finder.reset()
    return finder.history["loss"]


def main():
    for device, kind in common.cases():
        work = common.WORKLOADS[kind]
        data, x, y = work.data()
        loader = DataLoader(TensorDataset(x, y), batch_size=work.batch, shuffle=True)
        steps = work.steps(device)
        torch.manual_seed(0)
        model = work.build().to(device)
        assert len(sweep(model, loader, device, steps)) == steps
        ms = common.measure(device, lambda: sweep(model, loader, device, steps))
        common.row("torch-lr-finder", kind, device, ms, data, torch_lr_finder=version("torch-lr-finder"))


if __name__ == "__main__":
    main()
