"""Puts Rangefinder's results and those of its rivals (JSON files) into one table of ratios, as Markdown."""

import json
import sys
from pathlib import Path


def load(path):
    return json.loads(Path(path).read_text())


def line(cells):
    return "| " + " | ".join(cells) + " |"


def entry(name, device, ms, steps, ours):
    step = ms["median"] / steps
    ratio = step / ours
    spread = f"{ms['min']:.1f}..{ms['max']:.1f}"
    return line([name, device, f"{ms['median']:.1f}", spread, f"{step:.3f}", f"{ratio:.2f}"])


def table(ours, rivals, model):
    mine = next((r for r in ours["range_tests"] if r["model"] == model), None)
    if mine is None:
        return []
    wall = mine["wall_ms"]
    ours_step = wall["median"] / mine["ran"]  # by the step: a sweep may end before its last rate
    batch = next((s["batch"] for s in ours["steps"] if s["model"] == model), 64)
    device = f"{ours['device']['name']} ({ours['device']['kind']}, {ours['device']['backend']})"
    lines = [
        f"Range test of the {model}: {mine['steps']} steps, batch {batch}, SGD with momentum 0.9.",
        "",
        line(["what", "on", "ms", "min..max", "ms/step", "times ours, by the step"]),
        line(["---", "---", "---:", "---:", "---:", "---:"]),
        entry("**rangefinder**, whole range test", device, wall, mine["ran"], ours_step),
        entry("rangefinder, the sweep alone", device, mine["sweep_ms"], mine["ran"], ours_step),
    ]
    for rival in rivals:
        rows = [r for r in rival["rows"] if r["model"] == model]
        lines += [entry(r["name"], r["device"], r["range_test_ms"], rival["steps"], ours_step) for r in rows]
    return lines + [""]


def kernels(ours, theirs):
    """One row a pass: ours, and each device that PyTorch ran it on."""
    rows = {(r["workload"], r["stem"], r["device"]): r["us"]["median"] for r in theirs["kernels"]}
    devices = list(dict.fromkeys(r["device"] for r in theirs["kernels"]))
    lines = [
        "Kernels: microseconds, and how many times PyTorch's ours are (on a GPU cuBLAS and cuDNN; f32, no TF32).",
        "",
        line(["workload", "kernel", "GFLOP/s", "us"] + [f"PyTorch on {d}, us" for d in devices] + ["times"] * len(devices)),
        line(["---", "---"] + ["---:"] * (2 + 2 * len(devices))),
    ]
    for row in ours["kernels"]:
        stem = next((s for s in STEMS if row["kernel"].startswith(s)), "")
        found = [rows.get((row["workload"], stem, device)) for device in devices]
        us = row["us"]["median"]
        if us > 0 and any(found):
            times = [f"{other:.1f}" if other else "" for other in found]
            ratios = [f"{us / other:.2f}" if other else "" for other in found]
            gflops = f"{row['flops'] / us / 1e3:.0f}"
            lines.append(line([row["workload"], row["kernel"], gflops, f"{us:.1f}"] + times + ratios))
    return lines + [""]


def replicas(ours):
    """What 64 copies side by side cost, in steps of one."""
    steps = {s["model"]: s["ms"]["median"] for s in ours["steps"]}
    one, many = (steps.get(f"digits mlp x{n}") for n in (1, 64))
    if not one or not many:
        return []
    return [f"64 replicas of the digits MLP: {many:.3f} ms a step, {many / one:.1f} times one's {one:.3f} ms.", ""]


# Longest first: a kernel's family follows its stem.
STEMS = ["linear_dw", "linear_dx", "linear", "conv2d_dw", "conv2d_dx", "conv2d"]


def main():
    ours, theirs, *rivals = [load(path) for path in sys.argv[1:]]
    versions = {"rangefinder": ours["version"], "driver": ours["device"]["driver"]}
    for rival in rivals:
        versions |= rival["versions"]
    for model in [row["model"] for row in ours["range_tests"]]:
        print("\n".join(table(ours, rivals, model)))
    print("\n".join(kernels(ours, theirs) + replicas(ours)))
    print("Data: rangefinder " + ours["data"] + "; rivals " + ", ".join(sorted({r["data"] for r in rivals})) + ".")
    print("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")


if __name__ == "__main__":
    main()
