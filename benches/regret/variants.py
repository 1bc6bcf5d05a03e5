"""Other places in the fall that a rule could answer with: the regret of a prototype that refuses nothing.

    .venv/bin/python benches/regret/variants.py tasks.json           tasks.json comes from tasks.py

The fit is that of src/finder/suggest.rs: losses cut off above the start, a centred local line through the raw losses.
Rates are logarithms to base 10. `score.py` says what regret is.
"""

import itertools
import sys

import numpy as np
from score import SCHEDULES, Truth, load

HALF_WIDTH = 0.3


class Fit:
    """Levels and slopes of a curve, its start's level, and its lowest point."""

    def __init__(self, curve, half_width):
        self.x = np.log10(curve["lr"])
        loss = np.array(curve["loss"])
        count = max(len(loss) // 10, 3)
        strays = pseudo_residuals(np.arange(len(loss)), loss)
        noise = 1.4826 * np.median(np.abs(strays[1:-1][: max(count, 8)]))
        loss = np.minimum(loss, np.median(loss[:count]) + 3 * noise)
        strays = pseudo_residuals(self.x, loss)
        levels, slopes = local_line(self.x, half_width)
        self.value, self.slope = levels @ loss, slopes @ loss
        weights = tricube(self.x, half_width)
        errors = np.sqrt(weights @ strays**2 / weights.sum(1) * (levels**2).sum(1))
        self.start = loss[:count].mean()
        self.lowest = int(np.argmin(self.value + errors))
        # The error of the lowest point, from the noise on the whole way there.
        pooled = np.sqrt(np.mean(strays[: max(self.lowest, 8)] ** 2))
        fall = self.start - self.value[self.lowest]
        self.error = pooled * np.sqrt((levels[self.lowest] ** 2).sum()) / fall if fall > 0 else 0.0

    def crossing(self, share):
        """Where the fit last falls below the level at which this share of the fall is made."""
        level = self.start - share * (self.start - self.value[self.lowest])
        k = self.lowest
        while k > 0 and self.value[k - 1] <= level:
            k -= 1
        if k == 0:
            return self.x[0]
        above, below = self.value[k - 1], self.value[k]
        return self.x[k - 1] + (above - level) / (above - below) * (self.x[k] - self.x[k - 1])

    def end(self, share):
        """Where this share of the fall is made, or all but one standard error if that comes first."""
        return self.crossing(max(min(share, 1 - self.error), 0.5))

    def steepest(self):
        return self.x[np.argmin(self.slope[: self.lowest + 1])]

    def minimum(self):
        return self.x[self.lowest]


def pseudo_residuals(x, loss):
    """Each loss less the line through its neighbours, in units of the noise; the ends repeat the next."""
    r = (x[1:-1] - x[:-2]) / (x[2:] - x[:-2])
    inner = (loss[1:-1] - (1 - r) * loss[:-2] - r * loss[2:]) / np.sqrt(1 + r * r + (1 - r) ** 2)
    return np.concatenate([inner[:1], inner, inner[-1:]])


def tricube(x, half_width):
    """Weights of every point in the fit at every point, which takes in at least five."""
    distance = np.abs(x[:, None] - x[None])
    fifth = np.sort(distance, 1)[:, min(4, len(x) - 1)]
    width = np.where(fifth > half_width, 1.25 * fifth, half_width)[:, None]
    return np.clip(1 - (distance / width) ** 3, 0, None) ** 3


def local_line(x, half_width):
    """Matrices that take the losses to levels and slopes of a local line."""
    w, a = tricube(x, half_width), x[None] - x[:, None]
    s0, s1, s2 = (np.sum(w * a**k, 1)[:, None] for k in range(3))
    determinant = s0 * s2 - s1 * s1
    return w * (s2 - s1 * a) / determinant, w * (s0 * a - s1) / determinant


def middle(begun, over):
    return lambda fit: (fit.crossing(begun) + over(fit)) / 2


def until(share):
    return lambda fit: fit.end(share)


VARIANTS = {
    "steepest point": (Fit.steepest, 0.3),
    "steepest point, half-width 1": (Fit.steepest, 1.0),
    "half the fall": (lambda fit: fit.crossing(0.5), 0.3),
    "70 % of the fall": (lambda fit: fit.crossing(0.7), 0.3),
    "minimum / 10": (lambda fit: fit.minimum() - 1, 0.3),
    "middle of 10 % and 90 %": (middle(0.1, lambda fit: fit.crossing(0.9)), 0.3),
    "middle of 10 % and the minimum": (middle(0.1, Fit.minimum), 0.3),
    "middle of 25 % and the minimum": (middle(0.25, Fit.minimum), 0.3),
    "middle of 33 % and 95 %": (middle(1 / 3, until(0.95)), 0.3),
    "**middle of 25 % and 95 %**": (middle(0.25, until(0.95)), 0.3),
    "the same, half-width 0.5": (middle(0.25, until(0.95)), 0.5),
}

# What leaving one task out chooses from.
CHOICES = {
    (width, begun, over): (middle(begun, until(over)), width)
    for width, begun, over in itertools.product((0.3, 0.5), (0.1, 0.2, 0.25, 0.33, 0.5), (0.9, 0.95, 1.0))
}
CHOSEN = (0.3, 0.25, 0.95)


def regrets(tasks, variant):
    """(schedules, tasks, curves)"""
    rule, width = variant
    rates = [[rule(Fit(curve, width)) for curve in task["curves"]] for task in tasks]
    judged = [[Truth(task, s) for task in tasks] for s in SCHEDULES]
    return np.array([[[t.regret(r) for r in row] for t, row in zip(truths, rates)] for truths in judged])


def leave_one_out(tasks):
    """The mean regret of each task under the constants that are best on the others."""
    means = {choice: regrets(tasks, variant).mean(2) for choice, variant in CHOICES.items()}
    found = []
    for i in range(len(tasks)):
        best = min(means, key=lambda choice: np.delete(means[choice], i, 1).mean())
        found.append(means[best][:, i])
    best = min(means, key=lambda choice: means[choice].mean())
    return np.mean(found, 0), means[CHOSEN].mean(1), best


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    tasks = load(sys.argv[1])
    print("| place in the fall | constant rate | one-cycle |\n| --- | --- | --- |")
    for name, variant in VARIANTS.items():
        cells = [f"{r.mean():.3f} ({np.percentile(r, 90):.2f})" for r in regrets(tasks, variant)]
        print(f"| {name} | {' | '.join(cells)} |")
    out, fixed, best = leave_one_out(tasks)
    print(f"\nof {len(CHOICES)} combinations, chosen on the other tasks: {out.round(3)}; as they are: {fixed.round(3)}")
    print(f"best on all (half-width, begun, over): {best}")


if __name__ == "__main__":
    main()
