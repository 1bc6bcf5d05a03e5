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
    ratio = ms["median"] / ours["median"]
    spread = f"{ms['min']:.1f}..{ms['max']:.1f}"
    return line([name, device, f"{ms['median']:.1f}", spread, f"{step:.3f}", f"{ratio:.2f}"])


def table(ours, rivals, model):
    mine = next((r for r in ours["range_tests"] if r["model"] == model), None)
    if mine is None:
        return []
    wall = mine["wall_ms"]
    device = f"{ours['device']['name']} ({ours['device']['kind']}, {ours['device']['backend']})"
    lines = [
        f"Range test of the {model}: {mine['steps']} steps, batch 64, SGD with momentum 0.9.",
        "",
        line(["what", "on", "ms", "min..max", "ms/step", "times ours"]),
        line(["---", "---", "---:", "---:", "---:", "---:"]),
        entry("**rangefinder**, whole range test", device, wall, mine["ran"], wall),
        entry("rangefinder, the sweep alone", device, mine["sweep_ms"], mine["ran"], wall),
    ]
    for rival in rivals:
        rows = [r for r in rival["rows"] if r["model"] == model]
        lines += [entry(r["name"], r["device"], r["range_test_ms"], rival["steps"], wall) for r in rows]
    return lines + [""]


def main():
    ours, *rivals = [load(path) for path in sys.argv[1:]]
    versions = {"rangefinder": ours["version"], "driver": ours["device"]["driver"]}
    for rival in rivals:
        versions |= rival["versions"]
    for model in ("mlp", "cnn"):
        print("\n".join(table(ours, rivals, model)))
    print("Data: rangefinder " + ours["data"] + "; rivals " + ", ".join(sorted({r["data"] for r in rivals})) + ".")
    print("Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + ".")


if __name__ == "__main__":
    main()
