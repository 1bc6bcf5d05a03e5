"""torch-lr-finder (davidtvs/pytorch-lr-finder) as its README uses it: a DataLoader, range_test, reset. Prints JSON."""

import contextlib
import io
from importlib.metadata import version

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_lr_finder import LRFinder

import common


def sweep(model, loader, device):
    optimizer = torch.optim.SGD(model.parameters(), lr=common.START, momentum=common.MOMENTUM)
    finder = LRFinder(model, optimizer, nn.CrossEntropyLoss(), device=device)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        # Never early: every rival makes all the steps.
        finder.range_test(loader, end_lr=common.END, num_iter=common.STEPS, diverge_th=float("inf"))
    finder.reset()
    return finder.history["loss"]


def main():
    name, x, y = common.data()
    loader = DataLoader(TensorDataset(x, y), batch_size=common.BATCH, shuffle=True)
    rows = []
    for device in common.devices():
        for kind, build in common.MODELS.items():
            torch.manual_seed(0)
            model = build().to(device)
            assert len(sweep(model, loader, device)) == common.STEPS
            ms = common.measure(device, lambda: sweep(model, loader, device))
            rows.append(common.row("torch-lr-finder", kind, device, ms))
    common.report(rows, name, torch_lr_finder=version("torch-lr-finder"))


if __name__ == "__main__":
    main()
