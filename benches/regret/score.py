"""How good the suggestions of rangefinder, and of the other finders' rules as it implements them, are: their regret.

    cargo build --release
    .venv/bin/python benches/regret/score.py tasks.json              tasks.json comes from tasks.py
    .venv/bin/python benches/regret/score.py tasks.json --verify     short runs after every suggestion

Regret is (f(suggested) - f(best)) / (f(start) - f(best)), cut to 0 to 1; no suggestion counts as 1. f is the median over
the seeds of the validation loss after the whole budget, linear in the logarithm of the rate; f(start) is the loss of the
untrained model, or of the best constant prediction where that is lower.
"""

import argparse
import json
import math
import subprocess

import numpy as np

SCHEDULES = ("const", "onecycle")
PEERS = {
    "fastai valley": "fastai_valley",
    "fastai steep": "fastai_steep",
    "fastai slide": "fastai_slide",
    "fastai minimum / 10": "fastai_minimum",
    "steepest difference": "min_gradient",
}
# As rangefinder's own verifying runs: rates from a tenth to ten times, and what a smaller rate may lack and still win.
MULTIPLES, STEPS, TOLERANCE = 10.0 ** np.linspace(-1, 1, 5), 60, 0.1


class Truth:
    """What training with each rate came to, under one schedule. Rates are logarithms to base 10 throughout."""

    def __init__(self, task, schedule):
        truth = task["truth"]
        self.rates = np.log10(truth["lr"])
        self.start = min(float(np.median(truth["init_loss"])), task["trivial_loss"])
        losses = [[math.inf if v is None else min(v, 1e30) for v in row] for row in truth[schedule]["loss"]]
        self.loss = np.minimum(np.median(losses, 0), self.start)
        self.best = self.rates[np.argmin(self.loss)]

    def regret(self, rate):
        if rate is None:
            return 1.0
        lost = np.interp(rate, self.rates, self.loss) - self.loss.min()
        return float(np.clip(lost / (self.start - self.loss.min()), 0, 1))


def load(path):
    with open(path) as file:
        return json.load(file)["tasks"]


def answer(binary, curve):
    """What `rangefinder suggest` says of a curve. It is not told the task's name or optimizer."""
    shown = {key: curve[key] for key in ("steps", "lr", "loss", "accuracy")}
    command = [binary, "suggest", "-", "--json"]
    run = subprocess.run(command, input=json.dumps(shown), capture_output=True, text=True, check=False)
    return json.loads(run.stdout)


def logarithm(rate):
    return math.log10(rate) if rate and math.isfinite(rate) and rate > 0 else None


def table(title, rows):
    """Mean regret (90th percentile) for each schedule; a row is (name, {schedule: regrets}, remark)."""
    print(f"\n{title}\n")
    print("| rule | constant rate | one-cycle | no answer |\n| --- | --- | --- | --- |")
    for name, regrets, none in rows:
        cells = [f"{np.mean(regrets[s]):.3f} ({np.percentile(regrets[s], 90):.2f})" for s in SCHEDULES]
        print(f"| {name} | {' | '.join(cells)} | {none} |")


def regrets(tasks, rates):
    """{schedule: regret of every curve}; `rates` is [task][curve]."""
    return {
        s: [Truth(t, s).regret(rate) for t, row in zip(tasks, rates) for rate in row] for s in SCHEDULES
    }


def verify_all(tasks, rates, untrained):
    return [[verified(t, c, r, untrained) for c, r in zip(t["curves"], row)] for t, row in zip(tasks, rates)]


def verified(task, curve, rate, untrained):
    """The smallest of five rates around a suggestion whose held-out loss, after short runs from the curve's own start, has
    made all but a tenth of the best fall; the suggestion itself where no run lowers the loss. The fall begins at the
    untrained model's loss, as in rangefinder, or at that of the best constant prediction where it is lower."""
    if rate is None:
        return None
    runs = task["verify"]
    k = runs["seeds"].index(curve["seed"])
    start, known = runs["init_loss"][k], np.log10(runs["lr"])
    if not untrained:
        start = min(start, task["trivial_loss"])
    losses = np.array([math.inf if v is None else v for v in runs["const"][str(STEPS)][k]])
    tried = [r for r in rate + np.log10(MULTIPLES) if known[0] <= r <= known[-1]]
    # Between two measured rates, of which one blew up, nothing is known: it counts as blown up.
    found = [np.interp(r, known, np.minimum(losses, 1e30)) for r in tried]
    best = min(found, default=math.inf)
    if not best < start:
        return rate
    return min(r for r, loss in zip(tried, found) if loss <= start - (1 - TOLERANCE) * (start - best))


def coverage(tasks, answers):
    """How often the best rate lies between `low` and `high`."""
    for schedule in SCHEDULES:
        inside = []
        for task, row in zip(tasks, answers):
            best = 10 ** Truth(task, schedule).best
            found = [a["suggestion"] for a in row if a["suggestion"]]
            inside += [f["low"] <= best <= f["high"] for f in found]
        print(f"best rate between low and high, {schedule}: {np.mean(inside):.0%} of {len(inside)} answers")
    ratios = [Truth(task, "onecycle").best - Truth(task, "const").best for task in tasks]
    print(f"best peak over best constant rate: {10 ** np.mean(ratios):.1f}, the tasks' geometric mean")


def print_tasks(tasks, rules):
    """Mean regret of each task under each of these rules."""
    print(f"\n{' / '.join(rules)}, by task\n")
    print("| task | constant rate | one-cycle |\n| --- | --- | --- |")
    for i, task in enumerate(tasks):
        found = [regrets([task], [rates[i]]) for rates in rules.values()]
        cells = [" / ".join(f"{np.mean(r[s]):.2f}" for r in found) for s in SCHEDULES]
        print(f"| {task['task']} | {' | '.join(cells)} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks")
    parser.add_argument("--binary", default="target/release/rangefinder")
    parser.add_argument("--verify", action="store_true", help="short runs after every suggestion")
    parser.add_argument("--by-task", action="store_true", help="ours and valley, task by task")
    args = parser.parse_args()
    tasks = load(args.tasks)
    answers = [[answer(args.binary, curve) for curve in task["curves"]] for task in tasks]
    ours = [[logarithm((a["suggestion"] or {}).get("lr")) for a in row] for row in answers]
    rules = {"middle of the fall": ours}
    for name, key in PEERS.items():
        rules[name] = [[logarithm(a["rules"][key]) for a in row] for row in answers]

    def row(name, rates, tasks=tasks):
        return name, regrets(tasks, rates), sum(rate is None for row in rates for rate in row)

    curves = sum(len(task["curves"]) for task in tasks)
    table(f"{len(tasks)} tasks, {curves} curves", [row(name, rates) for name, rates in rules.items()])
    keep = [[rate is not None for rate in row] for row in ours]

    def answered(rates):
        return [[r for r, k in zip(row, kept) if k] for row, kept in zip(rates, keep)]

    both = [row(name, answered(rules[name])) for name in ("middle of the fall", "fastai valley")]
    table("only the curves that ours answers", both)
    print()
    coverage(tasks, answers)
    shown = {name: rules[name] for name in ("middle of the fall", "fastai valley")}
    if args.verify:
        for untrained in (True, False):
            after = {name: verify_all(tasks, rates, untrained) for name, rates in rules.items()}
            start = "" if untrained else ", the fall measured from the best constant prediction"
            title = f"after {STEPS} updates at each of five rates{start}"
            table(title, [row(name, rates) for name, rates in after.items()])
            shown[f"ours verified{start}"] = after["middle of the fall"]
    if args.by_task:
        print_tasks(tasks, shown)


if __name__ == "__main__":
    main()
