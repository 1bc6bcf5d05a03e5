"""How good the suggestions of rangefinder, and of the other finders' rules as it implements them, are: their regret.

    cargo build --release
    .venv/bin/python benches/regret/score.py benches/regret/test.json.gz           what drawn.py drew
    .venv/bin/python benches/regret/score.py benches/regret/*.json.gz tasks.json   all sets together
    .venv/bin/python benches/regret/score.py tasks.json                            what tasks.py trained
    .venv/bin/python benches/regret/score.py tasks.json --verify                   short runs after every suggestion

Regret is (f(suggested) - f(best)) / (f(start) - f(best)), cut to 0 to 1; no suggestion counts as 1. f is the median over
the seeds of the validation loss after the whole budget, linear in the logarithm of the rate; f(start) is the loss of the
untrained model, or of the best constant prediction where that is lower. Tasks whose best training gains less than a
twentieth of that are left out: there is nothing to choose.
"""

import argparse
import gzip
import json
import math
import subprocess
from typing import NamedTuple

import numpy as np

SCHEDULES = ("const", "onecycle")


class Runs(NamedTuple):
    """Short runs around a suggestion, and how a rate for each schedule follows from them."""

    count: int  # of rates
    decades: float  # to either side
    steps: int  # updates, or as many as were recorded
    tolerance: float  # share of the best fall that a good rate may lack
    constant: float  # how far up from the smallest to the largest good rate, by logarithms
    one_cycle: float


PEERS = {
    "fastai valley": "fastai_valley",
    "fastai steep": "fastai_steep",
    "fastai slide": "fastai_slide",
    "fastai minimum / 10": "fastai_minimum",
    "steepest difference": "min_gradient",
}
# Rangefinder's own short runs, and others for comparison. The first of those was shipped before.
SHIPPED = Runs(9, 1.5, 240, 0.05, 0.25, 0.75)
BEFORE = Runs(5, 1, 240, 0.02, 0, 0)
OTHERS = (
    BEFORE,
    Runs(5, 1, 240, 0.05, 0.25, 0.75),
    Runs(9, 1, 240, 0.05, 0.25, 0.75),
    Runs(7, 1.5, 240, 0.05, 0.25, 0.75),
    Runs(17, 1.5, 240, 0.05, 0.25, 0.75),
    Runs(9, 2, 240, 0.05, 0.25, 0.75),
    Runs(9, 1.5, 60, 0.05, 0.25, 0.75),
    Runs(9, 1.5, 120, 0.05, 0.25, 0.75),
    Runs(9, 1.5, 240, 0.02, 0.25, 0.75),
    Runs(9, 1.5, 240, 0.1, 0.25, 0.75),
    Runs(9, 1.5, 240, 0.05, 0, 1),
    Runs(9, 1.5, 240, 0.05, 0.5, 0.5),
)
LEAST_GAIN = 0.05
# With the optimizer told, and without.
OURS, ALONE = "rangefinder", "rangefinder, curve alone"


class Truth:
    """What training with each rate came to, under one schedule. Rates are logarithms to base 10 throughout."""

    def __init__(self, task, schedule):
        truth = task["truth"]
        self.rates = np.log10(truth["lr"])
        self.start = min(float(np.median(truth["init_loss"])), task["trivial_loss"])
        losses = [[math.inf if v is None else min(v, 1e30) for v in row] for row in truth[schedule]["loss"]]
        self.loss = np.minimum(np.median(losses, 0), self.start)
        self.best = self.rates[np.argmin(self.loss)]
        self.learnable = self.start - self.loss.min() > LEAST_GAIN * abs(self.start)

    def regret(self, rate):
        if rate is None:
            return 1.0
        lost = np.interp(rate, self.rates, self.loss) - self.loss.min()
        return float(np.clip(lost / (self.start - self.loss.min()), 0, 1))


def load(path):
    with (gzip.open if path.endswith(".gz") else open)(path) as file:
        tasks = json.load(file)["tasks"]
    for task in tasks:
        for curve in task["curves"]:
            steps, losses = curve["steps"], len(curve["loss"])
            curve.setdefault("lr", (1e-7 * 1e8 ** (np.arange(steps) / (steps - 1)))[:losses].tolist())
            curve.setdefault("accuracy", None)
    return [task for task in tasks if all(Truth(task, s).learnable for s in SCHEDULES)]


def answer(binary, curve, optimizer=None):
    """What `rangefinder suggest` says of a curve, told what it was made with or not. It never hears the task's name."""
    shown = {key: curve[key] for key in ("steps", "lr", "loss", "accuracy")} | {"optimizer": optimizer}
    if len(curve["loss"]) < curve["steps"]:
        # What was recorded ends before the first loss that was not finite.
        before, last = curve["lr"][-2:]
        shown["lr"], shown["loss"] = [*curve["lr"], last * last / before], [*curve["loss"], None]
        shown["accuracy"] = curve["accuracy"] and [*curve["accuracy"], None]
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
    """{schedule: regret of every curve}; `rates` is [task][curve]: of a rate for both schedules, or of a pair."""

    def of(rate, k):
        return rate[k] if isinstance(rate, tuple) else rate

    return {
        s: [Truth(t, s).regret(of(rate, k)) for t, row in zip(tasks, rates) for rate in row]
        for k, s in enumerate(SCHEDULES)
    }


def verify_all(tasks, rates, how=SHIPPED, guesses=None):
    """After a refusal around the guess, where there is one, and then only if a run learned something."""
    guesses = guesses or [[None] * len(row) for row in rates]
    return [
        [verified(t, c, r, how) if r is not None else verified(t, c, g, how, must_learn=True) for c, r, g in zip(t["curves"], *rows)]
        for t, *rows in zip(tasks, rates, guesses)
    ]


def verified(task, curve, rate, how, must_learn=False):
    """A rate for each schedule: from the smallest to the largest of some rates around a suggestion whose held-out loss, after
    short runs from the curve's own start, makes all but a little of the best fall, a part of the way up: these lie between the
    outermost runs that did and their neighbours, on the line between their losses. The suggestion itself where no run lowers the loss. The fall begins at the loss of the best constant prediction, or where no run gets
    below that at the untrained model's."""
    if rate is None:
        return None
    count, decades, steps, tolerance, *shares = how
    runs = task["verify"]
    k = runs["seeds"].index(curve["seed"])
    untrained, known = runs["init_loss"][k], np.log10(runs["lr"])
    start = min(untrained, task.get("trivial_held", task["trivial_loss"]))
    recorded = max(n for n in map(int, runs["const"]) if n <= steps)
    losses = np.array([math.inf if v is None else v for v in runs["const"][str(recorded)][k]])
    tried = [r for r in rate + np.linspace(-decades, decades, count) if known[0] <= r <= known[-1]]
    # Between two measured rates, of which one blew up, nothing is known: it counts as blown up.
    found = [np.interp(r, known, np.minimum(losses, 1e30)) for r in tried]
    best = min(found, default=math.inf)
    if must_learn and not best < start:
        return None
    if not best < untrained:
        return rate
    start = start if best < start else untrained
    enough = start - (1 - tolerance) * (start - best)
    good = [i for i, loss in enumerate(found) if loss <= enough]

    def edge(i, beyond):
        if not (0 <= beyond < len(tried) and found[beyond] < 1e30):
            return tried[i]
        return tried[i] + (tried[beyond] - tried[i]) * (enough - found[i]) / (found[beyond] - found[i])

    low, high = edge(good[0], good[0] - 1), edge(good[-1], good[-1] + 1)
    return tuple(low + share * (high - low) for share in shares)


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


def lengths(tasks):
    """How far the best constant rate after a few updates lies from that of a whole training, and from the best peak."""
    for steps in sorted({n for task in tasks for n in map(int, task["verify"]["const"])}):
        ratios = {s: [] for s in SCHEDULES}
        for task in tasks:
            runs = task["verify"]
            if str(steps) not in runs["const"]:
                continue
            losses = [[math.inf if v is None else v for v in row] for row in runs["const"][str(steps)]]
            best = math.log10(runs["lr"][int(np.argmin(np.median(losses, 0)))])
            for s in SCHEDULES:
                ratios[s].append(best - Truth(task, s).best)
        constant, peak = (10 ** np.median(ratios[s]) for s in SCHEDULES)
        print(f"after {steps} updates: {constant:.1f} times the best constant rate, {peak:.1f} times the best peak (medians)")


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
    parser.add_argument("tasks", nargs="+", help="one file or several, taken together")
    parser.add_argument("--binary", default="target/release/rangefinder")
    parser.add_argument("--verify", action="store_true", help="short runs after every suggestion")
    parser.add_argument("--by-task", action="store_true", help="ours and valley, task by task")
    args = parser.parse_args()
    tasks = [task for path in args.tasks for task in load(path)]
    told = [[answer(args.binary, curve, task["opt"]) for curve in task["curves"]] for task in tasks]
    untold = [[answer(args.binary, curve) for curve in task["curves"]] for task in tasks]

    def column(answers, of):
        return [[logarithm(of(a)) for a in row] for row in answers]

    ours, alone = [column(answers, lambda a: (a["suggestion"] or {}).get("lr")) for answers in (told, untold)]
    guesses = {OURS: column(told, lambda a: a["guess"]), ALONE: column(untold, lambda a: a["guess"])}
    rules = {OURS: ours, ALONE: alone}
    for name, key in PEERS.items():
        rules[name] = column(told, lambda a: a["rules"][key])

    def row(name, rates, tasks=tasks):
        return name, regrets(tasks, rates), sum(rate is None for row in rates for rate in row)

    def tripled(rates):
        return [[rate and rate + math.log10(3) for rate in row] for row in rates]

    curves = sum(len(task["curves"]) for task in tasks)
    rows = [row(name, rates) for name, rates in rules.items()]
    rows += [row(f"{name}, tripled", tripled(rules[name])) for name in (OURS, "fastai valley")]
    table(f"{len(tasks)} tasks, {curves} curves", rows)
    keep = [[rate is not None for rate in row] for row in ours]

    def answered(rates):
        return [[r for r, k in zip(row, kept) if k] for row, kept in zip(rates, keep)]

    both = [row(name, answered(rules[name])) for name in (OURS, "fastai valley")]
    table("only the curves that ours answers", both)
    for s in SCHEDULES:
        means = [[np.mean(regrets([t], [r])[s]) for t, r in zip(tasks, rates)] for rates in (ours, rules["fastai valley"])]
        less = np.subtract(*means)
        print(f"ours less valley, {s}: {less.mean():+.3f}, standard error {less.std() / len(less) ** 0.5:.3f} over the tasks")
    print()
    coverage(tasks, told)
    shown = {name: rules[name] for name in (OURS, "fastai valley")}
    if args.verify:
        after = {name: verify_all(tasks, rates, SHIPPED, guesses.get(name)) for name, rates in rules.items()}
        table("after short runs", [row(name, rates) for name, rates in after.items()])
        tried = {how: verify_all(tasks, ours, how, guesses[OURS]) for how in (*OTHERS, SHIPPED)}
        name = "{} rates within {} decades, {} updates, tolerance {}, {} and {} of the way up".format
        table("ours, after other short runs", [row(name(*how), rates) for how, rates in tried.items()])
        print()
        lengths(tasks)
        shown["ours verified"] = after[OURS]
    if args.by_task:
        print_tasks(tasks, shown)


if __name__ == "__main__":
    main()
