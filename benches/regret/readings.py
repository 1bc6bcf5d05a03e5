"""How far each of the three readings lies from the rates that train well, and what their mean's error goes with.

    cargo build --release
    .venv/bin/python benches/regret/readings.py benches/regret/dev.json.gz

Errors are in decades, of every curve that is answered, against the middle of the rates that cost less than 5 % under a
constant rate. `score.py` says what regret is. The readings are taken from the reason that `rangefinder suggest` gives.
"""

import argparse
import re

import numpy as np
from score import Truth, answer, load, logarithm

CHEAP = 0.05
# As in src/finder/suggest/readings.rs.
BELOW_DIVERGENCE = 2.2
READINGS = {
    "middle of the fall": re.compile(r"middle of the fall is ([\d.e+-]+\d)"),
    "middle of the average's decline": re.compile(r"average's decline (?:it is |is )?([\d.e+-]+\d)"),
    "divergence / 160": re.compile(r"diverges at ([\d.e+-]+\d)"),
}


def target(task):
    """The middle of the rates around the best that all cost little."""
    truth = Truth(task, "const")
    rates = np.linspace(truth.rates[0], truth.rates[-1], 1401)
    cheap = [truth.regret(rate) < CHEAP for rate in rates]
    low = high = int(np.argmin(np.abs(rates - truth.best)))
    while low > 0 and cheap[low - 1]:
        low -= 1
    while high + 1 < len(rates) and cheap[high + 1]:
        high += 1
    return (rates[low] + rates[high]) / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", help="one file or several, taken together")
    parser.add_argument("--binary", default="target/release/rangefinder")
    args = parser.parse_args()
    errors = {name: [] for name in (*READINGS, "their mean, as suggested")}
    by_optimizer, distances, ended = {}, {}, {}
    for task in (task for path in args.tasks for task in load(path)):
        known = task.get("opt", "any")
        middle = target(task)
        for curve in task["curves"]:
            ended.setdefault(known, []).append(len(curve["loss"]) < curve["steps"])
            found = answer(args.binary, curve)["suggestion"]
            if not found:
                continue
            for name, pattern in READINGS.items():
                if read := pattern.search(found["reason"]):
                    distance = logarithm(float(read[1])) - middle
                    if name.startswith("divergence"):
                        distances.setdefault(known, []).append(distance)
                        distance -= BELOW_DIVERGENCE
                    errors[name].append(distance)
            error = logarithm(found["lr"]) - middle
            errors["their mean, as suggested"].append(error)
            told = answer(args.binary, curve, known)["suggestion"]
            by_optimizer.setdefault(known, []).append((error, logarithm(told["lr"]) - middle))
    print("| reading | curves | mean error | standard deviation |\n| --- | --- | --- | --- |")
    for name, values in errors.items():
        print(f"| {name} | {len(values)} | {np.mean(values):+.2f} | {np.std(values):.2f} |")
    print("\n| optimizer | curves | suggested, less the middle of the good rates | the same, told the optimizer | divergence, less the middle | not finite at last |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, values in sorted(by_optimizer.items()):
        alone, told = np.mean(values, 0)
        print(f"| {name} | {len(values)} | {alone:+.2f} | {told:+.2f} | {np.mean(distances[name]):.2f} | {sum(ended[name])} of {len(ended[name])} |")


if __name__ == "__main__":
    main()
