"""Puts what `run.sh` left in a folder (rangefinder's results, a file of lines of JSON from each rival) into tables of ratios, as
Markdown: `table.py FOLDER`."""

import json
import sys
from pathlib import Path

# Who trains, in the order of the table's rows.
TRAINERS = ["eager", "compiled", "captured", "pytorch_lr_finder", "burn"]


def lines(path):
    """The objects in a file of lines of JSON; none if there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def line(cells):
    return "| " + " | ".join(cells) + " |"


def entry(name, device, ms, steps, ours):
    step = ms["median"] / steps
    ratio = f"{step / ours:.2f}" if ours else ""
    spread = f"{ms['min']:.1f}..{ms['max']:.1f}"
    return line([name, device, str(steps), f"{ms['median']:.1f}", spread, f"{step:.3f}", ratio])


def too_large(ours):
    """Why a range test of ours was not made, by its model."""
    rows = [row for row in ours["left_out"] if row["workload"].endswith(TEST)]
    return {row["workload"].removesuffix(TEST): row["error"] for row in rows}


def table(ours, rivals, model):
    mine = next((r for r in ours["range_tests"] if r["model"] == model), None)
    batch = next((f", batch {s['batch']}" for s in ours["steps"] if s["model"] == model), "")
    device = f"{ours['device']['name']} ({ours['device']['kind']}, {ours['device']['backend']})"
    rows = [
        f"Range test of the {model}{batch}, SGD with momentum 0.9.",
        "",
        line(["what", "on", "steps", "ms", "min..max", "ms/step", "times ours, by the step"]),
        line(["---", "---", "---:", "---:", "---:", "---:", "---:"]),
    ]
    if mine:
        wall, ran = mine["wall_ms"], mine["ran"]  # a sweep may end before its last rate: all goes by the step
        ours_step = wall["median"] / ran
        rows.append(entry("**rangefinder**, whole range test", device, wall, ran, ours_step))
        rows.append(entry("rangefinder, the sweep alone", device, mine["sweep_ms"], ran, ours_step))
    else:
        ours_step = None
        rows.append(line(["**rangefinder**", device, "", f"does not fit: {too_large(ours)[model]}", "", "", ""]))
    theirs = [r for r in rivals if r["model"] == model]
    rows += [entry(r["name"], r["device"], r["range_test_ms"], r["steps"], ours_step) for r in theirs]
    return rows + [""]


def kernels(ours, theirs):
    """One row a pass: ours, and each device that PyTorch ran it on."""
    rows = {(r["workload"], r["stem"], r["device"]): r["us"]["median"] for r in theirs}
    devices = list(dict.fromkeys(r["device"] for r in theirs))
    lines = [
        "Kernels: microseconds, and how many times PyTorch's time ours is (on a GPU cuBLAS and cuDNN; f32, no TF32).",
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


def first_steps(rivals):
    """How long whoever tunes or compiles at the first steps takes for them."""
    first = {r["model"]: f"{r['first_ms'] / 1e3:.0f} s ({r['model']})" for r in rivals if "first_ms" in r}
    return [f"burn's first 10 steps, in which it tunes its kernels: {', '.join(first.values())}.", ""] if first else []


# What a range test's name ends in, behind its model's.
TEST = " range test"

# Longest first: a kernel's family follows its stem.
STEMS = ["linear_dw", "linear_dx", "linear", "conv2d_dw", "conv2d_dx", "conv2d"]


def main():
    folder = Path(sys.argv[1])
    ours = json.loads((folder / "rangefinder.json").read_text())
    theirs = lines(folder / "kernels.jsonl")
    rivals = [row for name in TRAINERS for row in lines(folder / f"{name}.jsonl")]
    versions = {"rangefinder": ours["version"], "driver": ours["device"]["driver"]}
    for row in rivals + theirs:
        versions |= row["versions"]
    for model in [row["model"] for row in ours["range_tests"]] + list(too_large(ours)):
        print("\n".join(table(ours, rivals, model)))
    print("\n".join(first_steps(rivals) + kernels(ours, theirs) + replicas(ours)))
    trained = {}
    for row in rivals:
        trained.setdefault(row["data"], {})[row["model"]] = None
    data = [f"{name} ({', '.join(models)})" for name, models in trained.items()]
    print(f"Data: rangefinder {ours['data']}; rivals {', '.join(data)}.")
    print("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")
    left_out = [name for name in [*TRAINERS, "kernels"] if not lines(folder / f"{name}.jsonl")]
    if left_out:
        print("\nNot run here, or nothing measured: " + ", ".join(left_out) + ".")


if __name__ == "__main__":
    main()
